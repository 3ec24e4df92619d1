//! The name that was probably meant.

/// The candidate nearest to a name, if it is near enough to be worth a suggestion.
///
/// Nearness is the number of inserted, missing, wrong and swapped neighbouring
/// characters, whatever their case; a third of the name's length may differ, three
/// characters at most, and in names of one or two characters only the case. Of
/// equally near candidates it is the first.
///
/// ```
/// use butler_core::suggest::nearest;
///
/// assert_eq!(nearest("detectr", ["instrument", "detector"]), Some("detector"));
/// assert_eq!(nearest("DETECTOR", ["detectors", "detector"]), Some("detector"));
/// assert_eq!(nearest("camera", ["instrument", "detector"]), None);
/// ```
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let length = name.chars().count();
    let limit = (length / 3).min(3);
    candidates
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= limit)
        .map(|candidate| (strsim::osa_distance(&name, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_and_what_is_not() {
        let candidates = ["visit", "exposure", "exposure_time", "band", "Band_", "id"];
        for (name, expected) in [
            ("visti", Some("visit")),
            ("VISIT", Some("visit")),
            ("exposure_tme", Some("exposure_time")),
            ("exposuretime", Some("exposure_time")),
            ("expsr", None),
            ("bnd", Some("band")),
            ("bandd", Some("band")),
            ("ID", Some("id")),
            ("ix", None),
            ("", None),
            ("tract", None),
        ] {
            assert_eq!(nearest(name, candidates), expected, "{name}");
        }
        assert_eq!(nearest("a".repeat(1_000_000).as_str(), candidates), None);
    }

    #[test]
    fn of_equally_near_ones_it_is_the_first() {
        assert_eq!(nearest("visit", ["visits", "visit2"]), Some("visits"));
        assert_eq!(nearest("visit", ["visit2", "visits"]), Some("visit2"));
    }
}
