//! `$meta`, `$meta-add` and `$meta-delete`: the profiles, tags and security labels of a
//! resource, or of all that a type or the system holds.
//! <https://hl7.org/fhir/R4/resource-operation-meta.html>
//!
//! Adding and deleting change the labels of the current version in place, as the
//! specification has it: no new version comes about, searches find the new labels at once.
//! A superseded version is never changed. Labels are sets: a coding is known by system and
//! code, a profile by its URL.

use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::fhir::{Draft, ResourceType, Version};
use crate::interaction::{Hub, Read, prepare, read, vread};
use crate::search::index::resource_key;
use crate::storage::writer::Patience;
use crate::storage::{self, write};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// The elements of Meta that these operations are about.
const LABELS: [&str; 3] = ["profile", "security", "tag"];

/// Whose labels.
#[derive(Clone, Debug)]
pub enum Scope {
    System,
    Type(ResourceType),
    Instance {
        resource_type: ResourceType,
        id: String,
        version: Option<String>,
    },
}

/// The labels in use.
pub async fn meta(hub: &Hub, access: &Access, scope: &Scope) -> Result<Value> {
    let kind = match scope {
        Scope::Instance {
            resource_type,
            id,
            version,
        } => {
            let version = match version {
                Some(version) => vread::vread(hub, access, *resource_type, id, version).await?,
                None => current(hub, access, *resource_type, id).await?,
            };
            let resource = body(hub, &version)?;
            return Ok(answer(resource.get("meta").and_then(Value::as_object)));
        }
        Scope::Type(kind) => Some(*kind),
        Scope::System => None,
    };
    let mut snapshot = hub.store.snapshot(access).await?;
    let mut found = Map::new();
    for label in LABELS {
        let values = storage::read::labels_in_use(&mut snapshot, access, kind, label).await?;
        let values: Result<Vec<Value>> = values
            .iter()
            .map(|text| crate::fhir::json::parse(text.as_bytes(), 20))
            .collect();
        merge(&mut found, label, &values?);
    }
    Ok(answer(Some(&found)))
}

/// Adds labels to the current version.
pub async fn meta_add(hub: &Hub, access: &Access, scope: &Scope, body: Bytes) -> Result<Value> {
    change(hub, access, scope, body, merge).await
}

/// Takes labels from the current version; one that is not there is no error.
pub async fn meta_delete(hub: &Hub, access: &Access, scope: &Scope, body: Bytes) -> Result<Value> {
    change(hub, access, scope, body, subtract).await
}

type Combine = fn(&mut Map<String, Value>, &str, &[Value]);

async fn change(
    hub: &Hub,
    access: &Access,
    scope: &Scope,
    body: Bytes,
    combine: Combine,
) -> Result<Value> {
    let Scope::Instance {
        resource_type,
        id,
        version,
    } = scope
    else {
        return Err(Error::new(
            Category::NotSupported,
            "labels are added to and deleted from one resource: name it in the URL",
        ));
    };
    let given = given_meta(hub, &body)?;
    let mut patience = Patience::default();
    loop {
        let attempt = relabel(
            hub,
            access,
            *resource_type,
            id,
            version.as_deref(),
            &given,
            combine,
        );
        match attempt.await {
            Err(error) if patience.again(&error).await => {}
            outcome => return outcome,
        }
    }
}

async fn relabel(
    hub: &Hub,
    access: &Access,
    resource_type: ResourceType,
    id: &str,
    version: Option<&str>,
    given: &Map<String, Value>,
    combine: Combine,
) -> Result<Value> {
    let key = resource_key(resource_type, id);
    let mut transaction = hub.store.begin(access).await?;
    let mut rows = write::lock(&mut transaction, access, &[(resource_type, key)]).await?;
    let row = rows.remove(&key).map(|current| current.version);
    let found = read::judge(
        row.filter(|version| version.id == id),
        resource_type,
        id,
        &Default::default(),
    )?;
    let (Read::Found(current) | Read::NotModified(current)) = found;
    if version.is_some_and(|version| version != current.version.to_string()) {
        return Err(Error::new(
            Category::NotSupported,
            format!(
                "only the labels of the current version, {}, can change: superseded versions stay as they are",
                current.version
            ),
        ));
    }
    let mut resource = body(hub, &current)?;
    let meta = resource
        .entry("meta")
        .or_insert_with(|| json!({}))
        .as_object_mut()
        .ok_or_else(|| Error::fault("a stored meta is not an object"))?;
    for label in LABELS {
        if let Some(values) = given.get(label).and_then(Value::as_array) {
            combine(meta, label, values);
        }
    }
    let next = prepare::prepare(hub, access, resource_type, id, resource, current.method)?;
    let draft: Draft = next
        .content
        .ok_or_else(|| Error::fault("labels were put on nothing"))?;
    let text = draft.stamp(current.version, current.last_updated);
    write::relabel(
        &mut transaction,
        access,
        (resource_type, key),
        &text,
        &next.index,
    )
    .await?;
    if !hub.registry().custom().is_empty() {
        // The published parameters find no rows in labels; others may.
        storage::reindex::renew_rows(&mut transaction, access, key, &next.index).await?;
    }
    storage::commit(transaction).await?;
    let stored = prepare::parse_any(hub, &text)?;
    Ok(answer(stored.get("meta").and_then(Value::as_object)))
}

async fn current(
    hub: &Hub,
    access: &Access,
    resource_type: ResourceType,
    id: &str,
) -> Result<Version> {
    match read::read(hub, access, resource_type, id, &Default::default()).await? {
        Read::Found(version) | Read::NotModified(version) => Ok(version),
    }
}

fn body(hub: &Hub, version: &Version) -> Result<Map<String, Value>> {
    prepare::parse_any(hub, version.body.as_deref().unwrap_or_default())
}

/// The `meta` of Parameters; a bare Meta is accepted too, since the one parameter may be sent alone.
fn given_meta(hub: &Hub, text: &[u8]) -> Result<Map<String, Value>> {
    let given = prepare::parse_any(hub, text)?;
    let parameter = given
        .get("parameter")
        .and_then(Value::as_array)
        .and_then(|parameters| parameters.iter().find(|p| p["name"] == "meta"))
        .and_then(|parameter| parameter["valueMeta"].as_object());
    match (given.get("resourceType").and_then(Value::as_str), parameter) {
        (Some("Parameters"), Some(meta)) => Ok(meta.clone()),
        (None, _) if !given.is_empty() => Ok(given),
        _ => Err(Error::coded(
            Category::Invalid,
            "required",
            "expected Parameters with a parameter `meta` of type Meta",
        )
        .at("Parameters.parameter")),
    }
}

/// Whether two labels are the same: profiles by URL, codings by system and code.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.get("system") == b.get("system") && a.get("code") == b.get("code")
        }
        _ => a == b,
    }
}

fn merge(meta: &mut Map<String, Value>, label: &str, values: &[Value]) {
    if values.is_empty() {
        return;
    }
    let list = meta.entry(label).or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        for value in values {
            if !list.iter().any(|old| same(old, value)) {
                list.push(value.clone());
            }
        }
    }
}

fn subtract(meta: &mut Map<String, Value>, label: &str, values: &[Value]) {
    let Some(list) = meta.get_mut(label).and_then(Value::as_array_mut) else {
        return;
    };
    list.retain(|old| !values.iter().any(|value| same(old, value)));
    if list.is_empty() {
        meta.shift_remove(label);
    }
}

/// Parameters with the Meta in `return`; a Meta without anything is left out, as JSON has
/// no empty objects in FHIR.
fn answer(meta: Option<&Map<String, Value>>) -> Value {
    match meta.filter(|meta| !meta.is_empty()) {
        Some(meta) => json!({
            "resourceType": "Parameters",
            "parameter": [{"name": "return", "valueMeta": meta}],
        }),
        None => json!({"resourceType": "Parameters", "parameter": [{"name": "return"}]}),
    }
}
