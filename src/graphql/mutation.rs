//! `[Type]Create`, `[Type]Update`, `[Type]Delete`: the interactions of REST, one after the other,
//! each in a transaction of its own. <https://hl7.org/fhir/R4/graphql.html#mutations>
//!
//! The page names the resource `res`; `resource`, as its published schemas say, is taken too.
//! Where one fails those behind it are not done; the answer has what was done before, and its
//! `errors` name the one that failed.

use super::document::{Field, Item};
use super::loaded::Loaded;
use super::problem::Problem;
use super::schema::{self, Change};
use crate::access::Access;
use crate::error::Result;
use crate::interaction::{Hub, Subject, WriteConditions, create, delete, update};
use bytes::Bytes;
use serde_json::{Value, json};

/// Does what a mutation says.
///
/// # Errors
/// The first that fails.
pub async fn write(
    hub: &Hub,
    access: &Access,
    items: &[Item],
    loaded: &mut Loaded,
) -> Result<(), Problem> {
    let mut fields = Vec::new();
    gather(items, &mut fields);
    for field in fields {
        // Equal fields of one name are one.
        if loaded.written.contains_key(&field.key) {
            continue;
        }
        let Some(change) = schema::change(&field.name) else {
            continue;
        };
        let written = one(hub, access, change, field)
            .await
            .map_err(|error| Problem {
                path: vec![json!(field.key)],
                ..Problem::of(error).at(field.location)
            })?;
        let written = written.map(|body| loaded.parsed(&body));
        loaded.written.insert(field.key.clone(), written);
    }
    Ok(())
}

fn gather<'d>(items: &'d [Item], fields: &mut Vec<&'d Field>) {
    for item in items {
        match item {
            Item::Field(field) if !field.is_skipped => fields.push(field),
            Item::On {
                items,
                is_skipped: false,
                ..
            } => gather(items, fields),
            _ => {}
        }
    }
}

/// The body of what was written.
async fn one(hub: &Hub, access: &Access, change: Change, field: &Field) -> Result<Option<Bytes>> {
    let id = field.argument("id").and_then(|id| id.value.as_str());
    let subject = Subject::Id(id.unwrap_or_default().to_owned());
    let resource = field.argument("res").or(field.argument("resource"));
    let body = |of: &str| {
        let mut resource = resource
            .map(|resource| resource.value.clone())
            .unwrap_or_default();
        // An input type has no resourceType: the field names it.
        if let Value::Object(members) = &mut resource {
            members.entry("resourceType").or_insert(json!(of));
        }
        Bytes::from(resource.to_string())
    };
    let conditions = WriteConditions::default();
    let written = match change {
        Change::Create(of) => create::create(hub, access, of, body(of.name()), None).await?,
        Change::Update(of) => {
            let mut body = body(of.name());
            if let Ok(Value::Object(mut members)) = serde_json::from_slice(&body) {
                members.entry("id").or_insert(json!(id));
                body = Bytes::from(Value::Object(members).to_string());
            }
            update::update(hub, access, of, subject, body, &conditions).await?
        }
        Change::Delete(of) => {
            delete::delete(hub, access, of, subject, &conditions).await?;
            return Ok(None);
        }
    };
    Ok(written.version().body.clone())
}
