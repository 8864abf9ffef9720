//! What each keyword of JSON Schema holds, over all drafts: the one table that the reference
//! finder and the shaper both go by.

use serde_json::{Map, Value};

/// What a keyword's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    /// `$ref` and its dynamic kin.
    Reference,
    /// Schemas to refer to: they do not apply by themselves.
    Definitions,
    /// Where a schema is and which dialect it speaks; means nothing inside a document.
    Identity,
    /// `type`.
    Type,
    /// `required`.
    Required,
    /// `properties`.
    Properties,
    /// `items`: one schema, before 2020-12 also a list of them.
    Items,
    /// `additionalItems`: what `items` is called where `items` is a list.
    AdditionalItems,
    /// `dependencies`: lists of names and schemas in one map.
    Dependencies,
    /// `dependentRequired`: lists of names by name.
    NameLists,
    /// `exclusiveMinimum`, `exclusiveMaximum`: flags in draft 4.
    ExclusiveBound,
    /// `discriminator` of OpenAPI.
    Discriminator,
    /// One schema.
    Schema,
    /// One schema where clients expect and understand a boolean.
    SchemaOrFlag,
    /// A list of schemas.
    Schemas,
    /// Schemas by name.
    SchemaMap,
    /// A string.
    Text,
    /// A number.
    Number,
    /// A number that counts: whole and not negative.
    Count,
    /// `true` or `false`.
    Flag,
    /// A list of any values.
    List,
    /// `examples`, which some write as one value.
    Examples,
    /// An object that is no schema.
    Object,
    /// A value for its own sake, for which `null` is as good as any.
    Datum,
    /// Not known here: kept as it is.
    Unknown,
}

/// What the keyword of that name holds. The common ones come first: the names are compared one
/// after another.
pub(super) fn classify(key: &str) -> Keyword {
    match key {
        "type" => Keyword::Type,
        "title" | "description" | "pattern" | "format" | "contentEncoding" | "contentMediaType" => {
            Keyword::Text
        }
        "properties" => Keyword::Properties,
        "required" => Keyword::Required,
        "const" | "default" | "example" => Keyword::Datum,
        "items" => Keyword::Items,
        "enum" => Keyword::List,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Keyword::Schemas,
        "$ref" | "$dynamicRef" | "$recursiveRef" => Keyword::Reference,
        "$defs" | "definitions" => Keyword::Definitions,
        "$schema" | "$id" | "$anchor" | "$dynamicAnchor" | "$recursiveAnchor" | "$vocabulary"
        | "$comment" => Keyword::Identity,
        "additionalItems" => Keyword::AdditionalItems,
        "dependencies" => Keyword::Dependencies,
        "dependentRequired" => Keyword::NameLists,
        "exclusiveMinimum" | "exclusiveMaximum" => Keyword::ExclusiveBound,
        "discriminator" => Keyword::Discriminator,
        "not" | "if" | "then" | "else" | "contains" | "propertyNames" | "contentSchema" => {
            Keyword::Schema
        }
        "additionalProperties" | "unevaluatedProperties" | "unevaluatedItems" => {
            Keyword::SchemaOrFlag
        }
        "patternProperties" | "dependentSchemas" => Keyword::SchemaMap,
        "minimum" | "maximum" | "multipleOf" => Keyword::Number,
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties"
        | "minContains" | "maxContains" => Keyword::Count,
        "uniqueItems" | "deprecated" | "readOnly" | "writeOnly" => Keyword::Flag,
        "examples" => Keyword::Examples,
        "xml" | "externalDocs" => Keyword::Object,
        _ => Keyword::Unknown,
    }
}

/// Whether the schemas under the keyword apply to the very value that the keyword's own schema
/// applies to, so that a reference back from there would never come to an end.
pub(super) fn applies_in_place(key: &str) -> bool {
    matches!(
        key,
        "allOf"
            | "anyOf"
            | "oneOf"
            | "not"
            | "if"
            | "then"
            | "else"
            | "dependentSchemas"
            | "dependencies"
    )
}

/// Whether Open WebUI follows references under the keyword.
pub(super) fn is_followed_by_clients(key: &str) -> bool {
    matches!(key, "properties" | "items" | "allOf" | "anyOf" | "oneOf")
}

/// Whether the keyword says something about a schema and asserts nothing.
pub(super) fn is_annotation(key: &str) -> bool {
    key.starts_with("x-")
        || matches!(
            key,
            "title"
                | "description"
                | "default"
                | "examples"
                | "example"
                | "deprecated"
                | "readOnly"
                | "writeOnly"
        )
}

/// Shows `visit` every schema directly under `schema`, with the keyword it stands under.
/// Definitions are shown only where they are asked for: they do not apply by themselves.
pub(super) fn each_child<'a>(
    schema: &'a Map<String, Value>,
    with_definitions: bool,
    mut visit: impl FnMut(&'a str, &'a Value),
) {
    for (key, value) in schema {
        match classify(key) {
            Keyword::Definitions if !with_definitions => {}
            Keyword::Schema | Keyword::SchemaOrFlag | Keyword::AdditionalItems => visit(key, value),
            Keyword::Schemas | Keyword::Items => match value {
                Value::Array(members) => members.iter().for_each(|member| visit(key, member)),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Object(_) => {
                    visit(key, value);
                }
            },
            Keyword::SchemaMap
            | Keyword::Properties
            | Keyword::Dependencies
            | Keyword::Definitions => {
                value.as_object().into_iter().flatten().for_each(|(_, member)| visit(key, member));
            }
            Keyword::Reference
            | Keyword::Identity
            | Keyword::Type
            | Keyword::Required
            | Keyword::NameLists
            | Keyword::ExclusiveBound
            | Keyword::Discriminator
            | Keyword::Text
            | Keyword::Number
            | Keyword::Count
            | Keyword::Flag
            | Keyword::List
            | Keyword::Examples
            | Keyword::Object
            | Keyword::Datum
            | Keyword::Unknown => {}
        }
    }
}
