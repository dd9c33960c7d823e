//! What the owner can ask of a [`Publisher`].

use mta_sts::policy_domain::PolicyDomain;
use mta_sts::record::PolicyId;

use super::super::command::{Adoption, Command, command};
use super::super::ids;
use super::super::publication::{Member, Publication};
use super::super::{Stage, Wish};
use super::work::changing_all_the_time;
use super::{OrderError, Publisher};
use crate::ports::publish::{Authorities, Hosts, KeptVersion, Ledger, Publications, Put, Records};
use crate::ports::{Clock, StoreError, World};

impl<W, A, R, H, S, L, C> Publisher<W, A, R, H, S, L, C>
where
    W: World,
    A: Authorities,
    R: Records,
    H: Hosts,
    S: Publications,
    L: Ledger,
    C: Clock,
{
    /// Manages a domain that does not publish yet. (One that does is held as soon as its record is seen: adopt it.)
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn add(
        &self,
        domain: &PolicyDomain,
        wish: Wish,
        member: Option<Member>,
        i_know: bool,
    ) -> Result<Publication, OrderError> {
        self.take_in(domain, Command::Change { wish, member, i_know }).await
    }

    /// Takes over a domain that publishes, or one that is held.
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn adopt(&self, domain: &PolicyDomain, adoption: Adoption) -> Result<Publication, OrderError> {
        match self.inner.parts.store.publication(domain.as_str()).await? {
            Some(_) => self.order(domain, Command::Adopt(adoption)).await,
            None => self.take_in(domain, Command::Adopt(adoption)).await,
        }
    }

    /// Any other order. When it returns the order is kept and a new body is served; records and ids follow.
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn order(&self, domain: &PolicyDomain, order: Command) -> Result<Publication, OrderError> {
        let after = self.inner.obey(domain.as_str(), &order).await?;
        self.look_now(domain);
        Ok(after)
    }

    /// Has a domain looked after now.
    pub fn look_now(&self, domain: &PolicyDomain) {
        // Without a driver nobody hears it: then it is found when one runs.
        drop(self.due.unbounded_send(domain.as_str().to_owned()));
    }

    /// A domain, and its newest versions.
    ///
    /// # Errors
    /// The store's.
    pub async fn show(
        &self,
        domain: &PolicyDomain,
        versions: usize,
    ) -> Result<Option<(Publication, Vec<KeptVersion>)>, StoreError> {
        let Some(publication) = self.inner.read(domain.as_str()).await? else { return Ok(None) };
        let versions = self.inner.parts.store.versions(domain.as_str(), None, versions).await?;
        Ok(Some((publication, versions)))
    }

    /// Managed domains by name, after `after`. A row that cannot be read is left out: an alert tells of it.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<Publication>, StoreError> {
        let rows = self.inner.parts.store.publications(after, limit).await?;
        Ok(rows.iter().filter_map(|row| Publication::from_row(row).ok()).collect())
    }

    async fn take_in(&self, domain: &PolicyDomain, order: Command) -> Result<Publication, OrderError> {
        let inner = &self.inner;
        let work = async {
            let name = domain.as_str();
            if inner.parts.store.publication(name).await?.is_some() {
                return Err(OrderError::Managed(name.to_owned()));
            }
            let newest = inner.parts.store.versions(name, None, 1).await?.into_iter().next();
            let now = inner.parts.clock.now();
            let nothing = Wish { stage: Stage::Reporting, mx: Vec::new(), rua: Vec::new(), max_age: None };
            let mut before = Publication::new(domain.clone(), nothing, now);
            before.last_number = inner.retired.get(name).copied().unwrap_or(0);
            if let Some(newest) = newest {
                // Numbers and ids go on from where they were.
                before.last_number = before.last_number.max(newest.number);
                let id = newest.id.as_deref().and_then(|id| PolicyId::parse(id).ok());
                before.id_clock = id.as_ref().and_then(ids::time_of).unwrap_or(0);
            }
            let (after, actions) = command(&before, order, now)?;
            match inner.keep(&after, &actions).await? {
                Put::Kept => drop(inner.do_at_once(&after, actions).await),
                Put::Conflict => return Err(OrderError::Store(changing_all_the_time(name))),
            }
            Ok(after)
        };
        let after = inner.changing.within(domain.as_str().to_owned(), work).await?;
        self.look_now(domain);
        Ok(after)
    }
}
