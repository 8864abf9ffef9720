//! Documents that are written, or were: each once for all who ask for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::task::spawn_blocking;

use super::document::Document;

/// The last flight of each subject, by the upstream's name; that of the whole has none. A flight
/// that has ended is where its document is kept.
#[derive(Debug, Default)]
pub(super) struct Flights {
    last: Mutex<HashMap<String, Flight>>,
}

/// One document on its way.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    /// Of two flights of a subject the one that was begun later has the greater number.
    number: u64,
    etag: String,
    /// `None` if the writing itself broke.
    document: Shared<BoxFuture<'static, Option<Arc<Document>>>>,
}

// === impl Flights ===

impl Flights {
    /// The flight of the document of that name: the last one where that is it, where it is still
    /// under way, or where it was begun after `missed`; else a new one. Nothing else begins while
    /// one is under way.
    pub(super) fn join<W>(
        &self,
        name: &str,
        etag: &str,
        missed: Option<&Flight>,
        write: impl FnOnce() -> W,
    ) -> Flight
    where
        W: FnOnce() -> Document + Send + 'static,
    {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.get(name);
        // Whoever asks after one that broke gets another try.
        if let Some(known) = known.filter(|known| !known.is_broken()) {
            let is_news = missed.is_some_and(|missed| known.number > missed.number);
            if known.etag == etag || is_news || known.is_under_way() {
                return known.clone();
            }
        }
        let number = known.map_or(0, |known| known.number + 1);
        let flight = Flight::begin(number, etag, write());
        last.insert(name.to_owned(), flight.clone());
        flight
    }

    /// Forgets the documents of all other subjects.
    pub(super) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.retain(|name, _| is_there(name));
    }
}

// === impl Flight ===

impl Flight {
    /// On a thread for what takes long. It ends by itself, also when all have left: the next one
    /// who asks finds what it wrote.
    fn begin(number: u64, etag: &str, write: impl FnOnce() -> Document + Send + 'static) -> Self {
        let written = spawn_blocking(write);
        let document = async move { written.await.ok().map(Arc::new) }.boxed().shared();
        Self { number, etag: etag.to_owned(), document }
    }

    fn is_under_way(&self) -> bool {
        self.document.peek().is_none()
    }

    fn is_broken(&self) -> bool {
        matches!(self.document.peek(), Some(None))
    }

    /// Waits for it to end.
    ///
    /// Cancel-safe: it goes on.
    pub(super) async fn ended(&self) -> Arc<Document> {
        let document = self.document.clone().await;
        document.expect("writing a document does not panic, and the runtime outlives it")
    }
}

#[cfg(test)]
mod tests;
