//! One version of one resource, as stored: the JSON text that is served, and its labels.

use super::{Instant, ResourceType};
use bytes::Bytes;

/// How a version came about: `Bundle.entry.request.method` in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Post,
    Put,
    Delete,
    Patch,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Patch => "PATCH",
        }
    }

    /// The number that the database stores.
    pub fn number(self) -> i16 {
        match self {
            Method::Post => 1,
            Method::Put => 2,
            Method::Delete => 3,
            Method::Patch => 4,
        }
    }

    pub fn from_number(number: i16) -> Option<Method> {
        [Method::Post, Method::Put, Method::Delete, Method::Patch]
            .into_iter()
            .find(|method| method.number() == number)
    }
}

/// A committed version of a resource.
#[derive(Clone, Debug)]
pub struct Version {
    pub resource_type: ResourceType,
    pub id: String,
    /// Counts from 1 within the resource.
    pub version: i32,
    pub last_updated: Instant,
    pub method: Method,
    /// The JSON that is served, `id`, `meta.versionId` and `meta.lastUpdated` in it;
    /// `None` where this version is the deletion.
    pub body: Option<Bytes>,
}

impl Version {
    pub fn is_deleted(&self) -> bool {
        self.body.is_none()
    }

    /// The weak entity tag: `W/"3"`.
    pub fn etag(&self) -> String {
        format!("W/\"{}\"", self.version)
    }

    /// `Patient/123`
    pub fn reference(&self) -> String {
        format!("{}/{}", self.resource_type, self.id)
    }

    /// `Patient/123/_history/2`
    pub fn versioned_reference(&self) -> String {
        format!(
            "{}/{}/_history/{}",
            self.resource_type, self.id, self.version
        )
    }
}
