//! Typed access to the tree of a JSON file. Whoever asks for a value of a type gets it, or the
//! report gets the problem with its place.

use jsonc_parser::ast::Value;
use jsonc_parser::common::{Range, Ranged};
use serde_json::Number;

use crate::problem::{Place, Problem};
use crate::report::Report;
use crate::source::{Marked, Source};

/// One value of the file, with its path.
#[derive(Clone)]
pub(crate) struct Field<'s> {
    pub(crate) source: &'s Source,
    pub(crate) path: String,
    pub(crate) value: &'s Value<'s>,
    /// Where its key stands; the value itself for a list's item.
    key: Range,
    marked: Marked,
}

/// One object of the file: its fields in order, each name once.
pub(crate) struct Table<'s> {
    pub(crate) fields: Vec<(String, Field<'s>)>,
}

impl<'s> Field<'s> {
    /// The whole file.
    pub(crate) fn root(source: &'s Source, value: &'s Value<'s>) -> Self {
        Self { source, path: String::new(), value, key: value.range(), marked: Marked::Shown }
    }

    /// The same field, but its value (and what is inside) must not be seen.
    pub(crate) fn hidden(&self) -> Self {
        Self { marked: Marked::Hidden, ..self.clone() }
    }

    /// Where the value stands.
    pub(crate) fn place(&self) -> Place {
        let range = self.value.range();
        // Of an object or a list only the bracket is marked: what is inside is not the matter.
        let is_inside_out = self.value.as_object().is_some() || self.value.as_array().is_some();
        let end = if is_inside_out { range.start + 1 } else { range.end };
        self.source.place(Range { start: range.start, end }, self.marked)
    }

    /// Where the key stands.
    pub(crate) fn key_place(&self) -> Place {
        self.source.place(self.key, Marked::Shown)
    }

    /// An error at the value.
    pub(crate) fn error(&self, message: impl Into<String>) -> Problem {
        Problem::error(self.place(), message).inside(&self.path)
    }

    /// An error at the key.
    pub(crate) fn key_error(&self, message: impl Into<String>) -> Problem {
        Problem::error(self.key_place(), message).inside(&self.path)
    }

    /// A warning at the key.
    pub(crate) fn key_warning(&self, message: impl Into<String>) -> Problem {
        Problem::warning(self.key_place(), message).inside(&self.path)
    }

    pub(crate) fn text(&self, report: &mut Report) -> Option<&'s str> {
        let found = self.value.as_string_lit().map(|literal| literal.value.as_ref());
        self.or_wrong_type(found, "a string", report)
    }

    pub(crate) fn boolean(&self, report: &mut Report) -> Option<bool> {
        let found = self.value.as_boolean_lit().map(|literal| literal.value);
        self.or_quoted(found, "`true` or `false`", |text| matches!(text, "true" | "false"), report)
    }

    /// The digits of a number as they are written.
    pub(crate) fn number(&self, report: &mut Report) -> Option<&'s str> {
        let found = self.value.as_number_lit().map(|literal| literal.value);
        let is_number = |text: &str| serde_json::from_str::<Number>(text).is_ok();
        self.or_quoted(found, "a number", is_number, report)
    }

    pub(crate) fn list(&self, report: &mut Report) -> Option<Vec<Self>> {
        let items = self.value.as_array().map(|array| array.elements.iter().enumerate());
        let Some(items) = items else {
            let problem = self.error(format!("expected a list, found {}", self.type_name()));
            let is_one_item = self.value.as_string_lit().is_some();
            let cure = r#"put square brackets around it: `["..."]`"#;
            report.push(if is_one_item { problem.cure(cure) } else { problem });
            return None;
        };
        Some(
            items
                .map(|(index, value)| self.child(&format!("[{index}]"), value, value.range()))
                .collect(),
        )
    }

    /// A list of strings; items of another type are reported and left out.
    pub(crate) fn texts(&self, report: &mut Report) -> Option<Vec<&'s str>> {
        Some(self.list(report)?.iter().filter_map(|item| item.text(report)).collect())
    }

    /// An object; a repeated name is reported, and the first one stays.
    pub(crate) fn table(&self, report: &mut Report) -> Option<Table<'s>> {
        let object = self.hidden().or_wrong_type(self.value.as_object(), "an object", report)?;
        let mut fields: Vec<(String, Self)> = Vec::with_capacity(object.properties.len());
        for property in &object.properties {
            let name = property.name.as_str().to_owned();
            let field = self.child(
                &path_part(&name, self.path.is_empty()),
                &property.value,
                property.name.range(),
            );
            if fields.iter().any(|(other, _)| *other == name) {
                let problem = field.key_error(format!("`{name}` stands here a second time"));
                report.push(problem.cure("keep one of the two"));
            } else {
                fields.push((name, field));
            }
        }
        Some(Table { fields })
    }

    fn child(&self, part: &str, value: &'s Value<'s>, key: Range) -> Self {
        Self {
            source: self.source,
            path: self.path.clone() + part,
            value,
            key,
            marked: self.marked,
        }
    }

    /// As [`Self::or_wrong_type`], where quotes may be all that is wrong.
    fn or_quoted<T>(
        &self,
        found: Option<T>,
        wanted: &str,
        is_it: fn(&str) -> bool,
        report: &mut Report,
    ) -> Option<T> {
        let text = self.value.as_string_lit().map(|literal| literal.value.as_ref());
        if found.is_none() && text.is_some_and(is_it) {
            let message = format!("expected {wanted}, found {}", self.type_name());
            report.push(self.error(message).cure("take the quotes away"));
            return None;
        }
        self.or_wrong_type(found, wanted, report)
    }

    fn or_wrong_type<T>(&self, found: Option<T>, wanted: &str, report: &mut Report) -> Option<T> {
        if found.is_none() {
            report.push(self.error(format!("expected {wanted}, found {}", self.type_name())));
        }
        found
    }

    /// The type of the value in words.
    pub(crate) fn type_name(&self) -> &'static str {
        match self.value {
            Value::StringLit(_) => "a string",
            Value::NumberLit(_) => "a number",
            Value::BooleanLit(_) => "a boolean",
            Value::Object(_) => "an object",
            Value::Array(_) => "a list",
            Value::NullKeyword(_) => "null",
        }
    }
}

impl<'s> Table<'s> {
    /// The field of that name; `null` counts as left out.
    pub(crate) fn get(&self, name: &str) -> Option<&Field<'s>> {
        let (_, field) = self.fields.iter().find(|(other, _)| other == name)?;
        Some(field).filter(|field| field.value.as_null_keyword().is_none())
    }
}

/// How a key is written in a path: quoted where a dot or blank would make it unclear.
fn path_part(name: &str, is_first: bool) -> String {
    let plain = !name.is_empty()
        && name.chars().all(|char| char.is_alphanumeric() || matches!(char, '-' | '_' | '$'));
    let dot = if is_first { "" } else { "." };
    if plain { format!("{dot}{name}") } else { format!("{dot}{name:?}") }
}
