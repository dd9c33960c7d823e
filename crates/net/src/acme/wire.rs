//! Between the library and our client: what it sends goes out as it is, and what comes back with a status of 400 and above
//! ends the step as it was said. Only a nonce that was not taken is left to the library, which tries again.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use tlsward_engine::ports::certificates::AuthorityFailure;
use tlsward_engine::ports::{Clock, Dns};
use tokio::time::Instant;

use super::directory;
use super::http::{Answer, Http, shown};

/// What directories said, for a while: the library asks for them with every account that it is given.
#[derive(Debug)]
pub(super) struct Directories {
    kept_for: Duration,
    bodies: Mutex<BTreeMap<String, (Instant, Bytes)>>,
}

impl Directories {
    pub(super) fn new(kept_for: Duration) -> Self {
        Self { kept_for, bodies: Mutex::default() }
    }

    pub(super) async fn get<D: Dns + 'static, K: Clock>(
        &self,
        http: &Http<D, K>,
        url: &str,
    ) -> Result<Bytes, AuthorityFailure> {
        let kept = self.bodies.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned();
        if let Some((at, body)) = kept
            && at.elapsed() < self.kept_for
        {
            return Ok(body);
        }
        let unusable = |text: String| AuthorityFailure::Unusable(format!("{}: {text}", shown(url)));
        let request = Request::get(url).body(Bytes::new()).map_err(|error| unusable(error.to_string()))?;
        let answer = http.send(request).await?;
        if answer.status.as_u16() >= 400 {
            return Err(directory::failure(&answer));
        }
        directory::Directory::parse(&answer.body)?;
        // As many as the owner configured, since no other is asked for.
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.insert(url.to_owned(), (Instant::now(), answer.body.clone()));
        Ok(answer.body)
    }
}

/// The library's way out, for one account.
pub(super) struct Wire<D, K> {
    http: Http<D, K>,
    directories: Arc<Directories>,
    directory: String,
}

impl<D, K> Wire<D, K> {
    pub(super) fn new(http: Http<D, K>, directories: Arc<Directories>, directory: String) -> Self {
        Self { http, directories, directory }
    }
}

/// Ends a step: the library hands it on as it is.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Ended(AuthorityFailure);

fn ended(failure: AuthorityFailure) -> Error {
    Error::Other(Box::new(Ended(failure)))
}

/// What ended a step.
pub(super) fn failed(error: Error) -> AuthorityFailure {
    match error {
        Error::Api(problem) => {
            AuthorityFailure::Problem { problem: directory::problem(&problem), retry_after: None }
        }
        Error::Other(error) => match error.downcast::<Ended>() {
            Ok(ended) => ended.0,
            Err(error) => AuthorityFailure::Unusable(shown(&error.to_string())),
        },
        error => AuthorityFailure::Unusable(shown(&error.to_string())),
    }
}

impl<D: Dns + 'static, K: Clock> HttpClient for Wire<D, K> {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let (http, directories) = (self.http.clone(), Arc::clone(&self.directories));
        let directory = self.directory.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            if head.method == Method::GET && head.uri == directory.as_str() {
                let body = directories.get(&http, &directory).await.map_err(ended)?;
                return Ok(response(Answer { status: StatusCode::OK, headers: HeaderMap::new(), body }));
            }
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            let answer = http.send(Request::from_parts(head, body)).await.map_err(ended)?;
            if answer.status.as_u16() >= 400 {
                let failure = directory::failure(&answer);
                let is_nonce = matches!(
                    &failure,
                    AuthorityFailure::Problem { problem, .. } if problem.kind == "badNonce" && problem.status == 400
                );
                if !is_nonce {
                    return Err(ended(failure));
                }
            }
            Ok(response(answer))
        })
    }
}

fn response(answer: Answer) -> BytesResponse {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response.into()
}
