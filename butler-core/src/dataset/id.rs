//! Identities of datasets.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::{Uuid, Variant};

use super::ty::DatasetType;
use crate::dimension::{DataId, DimensionValue};
use crate::{Error, ErrorKind, Result};

/// Namespace of the UUIDs (version 5) that follow from a data ID, the same as in the Python butler.
const NAMESPACE: Uuid = Uuid::from_u128(0x840b_31d9_05cd_5161_b2c8_00d3_2b28_0d0f);

/// Namespace of the UUIDs (version 3) that stand for the integer ids of old export files.
const INTEGER_NAMESPACE: Uuid = Uuid::from_u128(0x4d48_51f4_2890_4d41_8779_5f38_a3f5_062b);

const ORIGIN_BITS: u32 = 60;
const COUNTER_BITS: u32 = 62;

/// Identity of a dataset: 128 bits that read, without loss, as a pair
/// (`origin`, `id`) of integers or as a UUID.
///
/// Ids issued here have an origin of 60 bits, drawn at random by each writing
/// session, and a counter of 62 bits; as UUIDs they are of version 8 (RFC 9562
/// §5.8). Every other UUID of the RFC 4122 variant is its two halves, of which
/// the second is negative as an integer, so the two readings never meet. Order
/// is that of the pair.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatasetId {
    origin: i64,
    id: i64,
}

impl DatasetId {
    /// The id of a pair, as it is stored.
    ///
    /// # Errors
    /// `Argument` if no UUID corresponds to the pair.
    pub fn from_parts(origin: i64, id: i64) -> Result<Self> {
        let this = Self { origin, id };
        let issued = (0..1 << ORIGIN_BITS).contains(&origin) && (0..1 << COUNTER_BITS).contains(&id);
        if issued || Self::from_uuid(this.to_uuid()).is_ok_and(|same| same == this) {
            return Ok(this);
        }
        Err(Error::new(ErrorKind::Argument, format!("({origin}, {id}) is no dataset id")))
    }

    /// The id of a pair that was read from a registry, where only valid ones are.
    #[must_use]
    pub const fn from_trusted(origin: i64, id: i64) -> Self {
        Self { origin, id }
    }

    /// First part: who issued it, or the first half of a UUID from elsewhere.
    #[must_use]
    pub const fn origin(self) -> i64 {
        self.origin
    }

    /// Second part: the counter of who issued it, or the second half of a UUID from elsewhere.
    #[must_use]
    pub const fn id(self) -> i64 {
        self.id
    }

    /// The id that a UUID reads as.
    ///
    /// # Errors
    /// `Argument` for the nil and max UUIDs and other variants than that of RFC 4122.
    pub fn from_uuid(uuid: Uuid) -> Result<Self> {
        if uuid.get_variant() != Variant::RFC4122 || uuid.is_max() {
            return Err(Error::new(
                ErrorKind::Argument,
                format!(
                    "the UUID {uuid} cannot identify a dataset: it is nil, max or not of the RFC 4122 variant"
                ),
            ));
        }
        let (high, low) = uuid.as_u64_pair();
        if uuid.get_version_num() != 8 {
            return Ok(Self { origin: high as i64, id: low as i64 });
        }
        let origin = (high >> 16 << 12) | (high & 0xfff);
        Ok(Self { origin: origin as i64, id: (low & ((1 << COUNTER_BITS) - 1)) as i64 })
    }

    /// The UUID that it reads as.
    #[must_use]
    pub fn to_uuid(self) -> Uuid {
        if self.id < 0 {
            return Uuid::from_u64_pair(self.origin as u64, self.id as u64);
        }
        let origin = self.origin as u64;
        let high = (origin >> 12 << 16) | 0x8000 | (origin & 0xfff);
        Uuid::from_u64_pair(high, self.id as u64 | 1 << 63)
    }

    /// The id that stands for an integer id of an export file from before UUIDs.
    #[must_use]
    pub fn from_legacy_integer(id: i64) -> Self {
        Self::from_uuid(Uuid::new_v3(&INTEGER_NAMESPACE, id.to_string().as_bytes()))
            .expect("a UUID of version 3 has the RFC 4122 variant")
    }
}

impl fmt::Display for DatasetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_uuid().hyphenated().fmt(f)
    }
}

impl fmt::Debug for DatasetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DatasetId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let uuid = Uuid::parse_str(text).map_err(|error| {
            Error::new(ErrorKind::Argument, format!("'{}' is no UUID: {error}", text.escape_debug()))
        })?;
        Self::from_uuid(uuid)
    }
}

/// As a UUID in text, as its two parts in binary formats.
impl Serialize for DatasetId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.origin, self.id).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for DatasetId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            let (origin, id) = <(i64, i64)>::deserialize(deserializer)?;
            Self::from_parts(origin, id).map_err(serde::de::Error::custom)
        }
    }
}

/// How the id of a new dataset comes about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdGenerationMode {
    /// Issued by the session; never the same twice.
    #[default]
    Unique,
    /// Follows from dataset type and data ID.
    DataidType,
    /// Follows from dataset type, run and data ID.
    DataidTypeRun,
}

impl IdGenerationMode {
    /// Name, as on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unique => "unique",
            Self::DataidType => "dataid_type",
            Self::DataidTypeRun => "dataid_type_run",
        }
    }
}

impl FromStr for IdGenerationMode {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        [Self::Unique, Self::DataidType, Self::DataidTypeRun]
            .into_iter()
            .find(|mode| mode.name() == name)
            .ok_or_else(|| {
                Error::new(ErrorKind::Argument, format!("'{}' is no id generation mode", name.escape_debug()))
                    .with_hint("there are unique, dataid_type and dataid_type_run")
            })
    }
}

/// Issues ids of one writing session: a random origin and a counter in memory.
///
/// Clones share the counter. Nothing is written down when an id is issued, so a
/// copied or restored repository cannot issue one twice.
#[derive(Clone, Debug)]
pub struct IdIssuer {
    origin: i64,
    next: Arc<AtomicI64>,
}

impl IdIssuer {
    /// An issuer with an origin of its own: 60 random bits.
    #[must_use]
    pub fn new() -> Self {
        let random = Uuid::new_v4().as_u128();
        // Bits of a version 4 UUID other than version and variant are random.
        let origin = ((random >> 68) as i64) & ((1 << ORIGIN_BITS) - 1);
        Self { origin, next: Arc::new(AtomicI64::new(1)) }
    }

    /// The session's origin.
    #[must_use]
    pub fn origin(&self) -> i64 {
        self.origin
    }

    /// The next id.
    #[must_use]
    pub fn issue(&self) -> DatasetId {
        DatasetId { origin: self.origin, id: self.next.fetch_add(1, Ordering::Relaxed) }
    }

    /// The id of a new dataset in the given mode.
    #[must_use]
    pub fn make(
        &self,
        mode: IdGenerationMode,
        dataset_type: &DatasetType,
        run: &str,
        data_id: &DataId,
    ) -> DatasetId {
        match mode {
            IdGenerationMode::Unique => self.issue(),
            IdGenerationMode::DataidType => derived(dataset_type, None, data_id),
            IdGenerationMode::DataidTypeRun => derived(dataset_type, Some(run), data_id),
        }
    }
}

impl Default for IdIssuer {
    fn default() -> Self {
        Self::new()
    }
}

/// The UUID (version 5) of type, perhaps run, and the required values by name of dimension.
fn derived(dataset_type: &DatasetType, run: Option<&str>, data_id: &DataId) -> DatasetId {
    let mut name = format!("dataset_type={}", dataset_type.name());
    if let Some(run) = run {
        name.push_str(",run=");
        name.push_str(run);
    }
    let mut pairs: Vec<_> = data_id
        .group()
        .required()
        .map(|dimension| dimension.name().as_str())
        .zip(data_id.required_values())
        .collect();
    pairs.sort_unstable_by_key(|(dimension, _)| *dimension);
    for (dimension, value) in pairs {
        name.push_str(&match value {
            DimensionValue::Int(value) => format!(",{dimension}={value}"),
            DimensionValue::Text(value) => format!(",{dimension}={value}"),
        });
    }
    DatasetId::from_uuid(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
        .expect("a UUID of version 5 has the RFC 4122 variant")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimension::DimensionUniverse;
    use proptest::prelude::*;

    /// Vectors of the Python butler.
    #[test]
    fn derived_ids_are_those_of_the_reference() {
        let universe = DimensionUniverse::default();
        let raw =
            DatasetType::new("raw", universe.conform(["exposure", "detector"]).unwrap(), "Bytes").unwrap();
        let id = DataId::from_pairs(
            raw.group(),
            [("instrument", DimensionValue::from("Cam")), ("detector", 1.into()), ("exposure", 2.into())],
        )
        .unwrap();
        let issuer = IdIssuer::new();
        let make = |mode| issuer.make(mode, &raw, "r", &id).to_string();
        assert_eq!(make(IdGenerationMode::DataidType), "0a26e9ff-fd58-55d4-bec6-677ecf355e61");
        assert_eq!(make(IdGenerationMode::DataidTypeRun), "424d35ee-d9bb-5bfd-b317-68f90e5e02bc");
        assert_ne!(make(IdGenerationMode::Unique), make(IdGenerationMode::Unique));
    }

    #[test]
    fn issued_ids_are_uuids_of_version_8() {
        let issuer = IdIssuer::new();
        let copy = issuer.clone();
        let (first, second) = (issuer.issue(), copy.issue());
        assert_eq!((first.id(), second.id()), (1, 2));
        assert_eq!(first.to_uuid().get_version_num(), 8);
        assert!((0..1 << 60).contains(&first.origin()));
        assert_ne!(IdIssuer::new().origin(), issuer.origin());
    }

    #[test]
    fn legacy_integers_become_uuids_of_version_3() {
        let id = DatasetId::from_legacy_integer(12);
        assert_eq!(id.to_uuid(), Uuid::new_v3(&INTEGER_NAMESPACE, b"12"));
    }

    #[test]
    fn what_cannot_be_an_id_is_refused() {
        for text in [
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "e15ab039-bc8b-4135-07c5-90902a7c0b22",
            "e15ab039-bc8b-4135-f7c5-90902a7c0b22",
            "nix",
            "",
        ] {
            assert_eq!(text.parse::<DatasetId>().unwrap_err().kind(), ErrorKind::Argument, "{text}");
        }
        assert!(DatasetId::from_parts(1 << 60, 1).is_err());
        assert!(DatasetId::from_parts(-1, 1).is_err());
        assert!(DatasetId::from_parts(0, 1 << 62).is_err());
    }

    proptest! {
        #[test]
        fn every_pair_is_one_uuid(origin in 0i64..1 << 60, id in 0i64..1 << 62) {
            let this = DatasetId::from_parts(origin, id).unwrap();
            prop_assert_eq!(DatasetId::from_uuid(this.to_uuid()).unwrap(), this);
            prop_assert_eq!(this.to_uuid().get_variant(), Variant::RFC4122);
        }

        #[test]
        fn every_uuid_is_one_pair(bits: u128) {
            let uuid = Uuid::from_u128(bits & !(3 << 62) | 2 << 62);
            let id = DatasetId::from_uuid(uuid).unwrap();
            prop_assert_eq!(id.to_uuid(), uuid);
            prop_assert_eq!(DatasetId::from_parts(id.origin(), id.id()).unwrap(), id);
            prop_assert_eq!(id.id() >= 0, uuid.get_version_num() == 8);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<DatasetId>(&json).unwrap(), id);
        }
    }
}
