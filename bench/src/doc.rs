//! The tables of the doc: each stands between two marks and is written from the file of its part,
//! so that both say the same.

use std::path::Path;

use anyhow::{Context, Result};

use crate::chapter::Chapter;
use crate::say;
use crate::under_load::Subject;

/// What stands where nothing was measured.
const NOTHING: &str = "Not measured yet.\n";

/// Rewrites every table of the doc.
pub(crate) fn write(results: &Path, doc: &Path) -> Result<()> {
    let text = std::fs::read_to_string(doc).with_context(|| format!("read {}", doc.display()))?;
    std::fs::write(doc, rewritten(&text, results)?)
        .with_context(|| format!("write {}", doc.display()))?;
    say(&format!("the tables of {} are those of {}", doc.display(), results.display()));
    Ok(())
}

/// The doc with the tables that the files give.
fn rewritten(text: &str, results: &Path) -> Result<String> {
    let mut text = text.to_owned();
    for subject in Subject::ALL {
        let name = subject.name();
        let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
        let from = text.find(&begin).with_context(|| format!("the doc has no {begin}"))?;
        let from = from + begin.len();
        let to = text[from..].find(&end).with_context(|| format!("the doc has no {end}"))?;
        text.replace_range(from..from + to, &table(results, name)?);
    }
    Ok(text)
}

fn table(results: &Path, name: &str) -> Result<String> {
    let path = results.join(format!("{name}.json"));
    if !path.exists() {
        return Ok(NOTHING.to_owned());
    }
    let json = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let chapter: Chapter =
        serde_json::from_slice(&json).with_context(|| format!("read {}", path.display()))?;
    Ok(chapter.markdown())
}

#[cfg(test)]
mod tests;
