//! Where answers come from: the engine's resolver. A policy in force may be told while its facts are looked up again;
//! that is seen to here, once for each next hop.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use mta_sts::policy::Policy;
use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::enforce::{Answer, NextHop, Resolver};
use tlsward_engine::ports::{Clock, Policies, World};
use tokio::runtime::Handle;

use super::answers::Source;

/// Next hops that are looked up beside their answer.
const AT_ONCE: usize = 1000;

/// A source, and what is being asked of it without anybody waiting.
pub(super) struct Asking<R> {
    resolver: R,
    runtime: Handle,
    hops: Arc<Mutex<BTreeSet<NextHop>>>,
}

impl<R: Clone> Clone for Asking<R> {
    fn clone(&self) -> Self {
        Self { resolver: self.resolver.clone(), runtime: self.runtime.clone(), hops: Arc::clone(&self.hops) }
    }
}

impl<R> Asking<R> {
    /// What is asked beside the answer is asked on `runtime`.
    pub(super) fn new(resolver: R, runtime: Handle) -> Self {
        Self { resolver, runtime, hops: Arc::default() }
    }
}

impl<W: World + 'static, P: Policies, C: Clock> Source for Asking<Resolver<W, P, C>> {
    fn known(&self, hop: &NextHop) -> Option<Answer> {
        self.resolver.known(hop)
    }

    fn resolve(&self, hop: NextHop) -> BoxFuture<'static, Answer> {
        Box::pin(self.resolver.resolve(hop))
    }

    fn held(&self, domain: &PolicyDomain) -> Option<Arc<Policy>> {
        Some(self.resolver.status(domain)?.policy?.policy)
    }

    fn look_again(&self, hop: &NextHop) {
        {
            let mut hops = self.hops.lock().unwrap_or_else(PoisonError::into_inner);
            if hops.len() >= AT_ONCE || !hops.insert(hop.clone()) {
                return;
            }
        }
        let (asked, hops) = (self.resolver.resolve(hop.clone()), Arc::clone(&self.hops));
        let hop = hop.clone();
        self.runtime.spawn(async move {
            // Who asks next is told what comes of it.
            let _ = asked.await;
            hops.lock().unwrap_or_else(PoisonError::into_inner).remove(&hop);
        });
    }
}
