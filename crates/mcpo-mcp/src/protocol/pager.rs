//! `tools/list` page by page: what to ask next and when there is too much of it. Pure.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Cause;
use crate::protocol::Dialect;

/// Far above any real upstream (the largest known ones have some hundred tools on a few pages).
const PAGES_MAX: usize = 1_000;
/// The document of so many tools has tens of megabytes; nobody can use more.
const TOOLS_MAX: usize = 20_000;
/// All pages together. As parsed values they take up to some twenty times as much.
const LIST_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Collects the pages of one listing.
///
/// ```text
/// while let Some(params) = pager.next_params(&dialect) { pager.take(&ask(params).await?)?; }
/// ```
#[derive(Debug, Default)]
pub(crate) struct Pager {
    tools: Vec<Value>,
    /// Raw JSON; `None` before the first page and after the last one.
    cursor: Option<String>,
    seen: HashSet<String>,
    pages: usize,
    bytes: usize,
    unreadable: usize,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
    #[serde(borrow, default, rename = "nextCursor")]
    next_cursor: Option<&'a RawValue>,
}

impl Pager {
    /// The parameters to ask the next page with; `None` when all pages are here.
    pub(crate) fn next_params<'a>(&'a self, dialect: &'a Dialect) -> Option<[&'a [u8]; 5]> {
        match &self.cursor {
            None if self.pages > 0 => None,
            cursor => Some(dialect.list_tools(cursor.as_deref())),
        }
    }

    /// Takes in the result of one page.
    ///
    /// # Errors
    /// Not a page, or one that leads nowhere: a cursor that came before, or too much of it all.
    pub(crate) fn take(&mut self, result: &[u8]) -> Result<(), Cause> {
        let page: Page<'_> = serde_json::from_slice(result)
            .map_err(|error| Cause::Malformed(format!("a page of tools/list: {error}")))?;
        self.pages += 1;
        self.bytes += result.len();
        if self.bytes > LIST_BYTES_MAX {
            return Err(Cause::TooLarge { limit_bytes: LIST_BYTES_MAX });
        }
        if self.tools.len() + page.tools.len() > TOOLS_MAX {
            return Err(Cause::Malformed(format!("tools/list has more than {TOOLS_MAX} tools")));
        }
        for tool in page.tools {
            // One that cannot be read (nested too deep) does not take the others with it.
            match serde_json::from_str(tool.get()) {
                Ok(tool) => self.tools.push(tool),
                Err(_) => self.unreadable += 1,
            }
        }
        self.turn_to(page.next_cursor)
    }

    /// All tools, in order, and how many entries could not be read.
    pub(crate) fn into_tools(self) -> (Vec<Value>, usize) {
        (self.tools, self.unreadable)
    }

    /// An empty string is a cursor like any other; null is none.
    fn turn_to(&mut self, cursor: Option<&RawValue>) -> Result<(), Cause> {
        let Some(cursor) = cursor.filter(|cursor| cursor.get() != "null") else {
            self.cursor = None;
            return Ok(());
        };
        if self.pages >= PAGES_MAX {
            return Err(Cause::Malformed(format!("tools/list has more than {PAGES_MAX} pages")));
        }
        if !self.seen.insert(cursor.get().to_owned()) {
            return Err(Cause::Malformed("tools/list repeats a cursor".to_owned()));
        }
        self.cursor = Some(cursor.get().to_owned());
        Ok(())
    }
}
