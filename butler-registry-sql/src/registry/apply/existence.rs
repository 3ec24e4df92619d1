//! Checks that values of dimensions have records.
//!
//! Databases are not told of these references, for the records may live in a
//! parent repository; who writes a reference checks it. Records are never
//! removed, so what was seen once needs no second look.

use arcstr::ArcStr;
use butler_core::backend::{Relation, Scalar};
use butler_core::sky::Pixelization;
use butler_core::{DataId, DimensionElement, DimensionGroup, DimensionValue, Error, ErrorKind, Result};
use rustc_hash::FxHashSet;

use super::session::Session;
use crate::registry::catalog::KnownKey;
use crate::registry::layout::element_table;
use crate::registry::rows::{Strings, collect, key, key_values};

/// Checks that each value of each dimension of some data IDs has a record.
pub(super) fn check_data_ids(
    session: &mut Session<'_>,
    group: DimensionGroup,
    data_ids: &[DataId],
) -> Result<()> {
    for dimension in group.required() {
        let positions: Vec<usize> =
            dimension.required().filter_map(|required| group.key_index(required)).collect();
        let values = |data_id: &DataId| -> Box<[DimensionValue]> {
            positions.iter().map(|&position| data_id.required_values()[position].clone()).collect()
        };
        // Neighbours share most values: a look at the last key saves most of the hashing.
        let mut last: Option<Box<[DimensionValue]>> = None;
        let mut keys: FxHashSet<Box<[DimensionValue]>> = FxHashSet::default();
        for data_id in data_ids {
            let same = last.as_ref().is_some_and(|last| {
                positions
                    .iter()
                    .zip(last)
                    .all(|(&position, value)| data_id.required_values()[position] == *value)
            });
            if !same {
                let key = values(data_id);
                last = Some(key.clone());
                keys.insert(key);
            }
        }
        check_keys(session, dimension, keys, ErrorKind::DataIdValue)?;
    }
    Ok(())
}

/// Checks that values of an element's required dimensions have a record.
pub(super) fn check_keys(
    session: &mut Session<'_>,
    element: DimensionElement,
    keys: FxHashSet<Box<[DimensionValue]>>,
    kind: ErrorKind,
) -> Result<()> {
    if element.skypix().is_some() {
        let pixels: Pixelization = element.name().parse()?;
        return keys.iter().try_for_each(|key| check_pixel(element, pixels, &key[0]));
    }
    let unknown: Vec<KnownKey> =
        keys.into_iter().map(|values| (element, values)).filter(|key| !session.knows_key(key)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let names: Vec<ArcStr> = element.required().map(|d| ArcStr::from(format!("given_{d}"))).collect();
    let dimensions: Vec<DimensionElement> = element.required().collect();
    let given = key_values(&dimensions, &names, unknown.iter().map(|(_, values)| &**values));
    let missing = given.anti(known_values(element), match_values(element, &names));
    for batch in collect(session.tx, &missing)? {
        if batch.is_empty() {
            continue;
        }
        let mut strings = Strings::default();
        let pairs: Vec<String> = dimensions
            .iter()
            .zip(batch.columns())
            .map(|(dimension, column)| Ok(format!("{dimension}: {}", key(column, 0, &mut strings)?)))
            .collect::<Result<_>>()?;
        let hint = match element.union_of() {
            Some(target) => format!("insert a record of '{target}' that implies it"),
            None => format!("insert a record of '{element}' first"),
        };
        return Err(Error::new(
            kind,
            format!("dimension '{element}' has no record for {{{}}}", pairs.join(", ")),
        )
        .with_hint(hint));
    }
    session.know_keys(unknown);
    Ok(())
}

/// Rows of which each is a value that has a record: those of the element's table, or of the one that implies it.
fn known_values(element: DimensionElement) -> Relation {
    element_table(element.union_of().unwrap_or(element)).scan()
}

fn match_values(element: DimensionElement, given: &[ArcStr]) -> Scalar {
    let pairs = element.required().map(DimensionElement::name).zip(given);
    Scalar::all(pairs.map(|(name, given)| Scalar::column(given.clone()).eq(Scalar::column(name.clone()))))
}

fn check_pixel(element: DimensionElement, pixels: Pixelization, value: &DimensionValue) -> Result<()> {
    let range = pixels.universe();
    match value.as_int().and_then(|index| u64::try_from(index).ok()) {
        Some(index) if range.contains(&index) => Ok(()),
        _ => Err(Error::new(
            ErrorKind::DataIdValue,
            format!("{value} is no pixel of '{element}', which has {} to {}", range.start, range.end - 1),
        )),
    }
}
