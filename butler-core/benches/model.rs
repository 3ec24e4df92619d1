//! Data IDs and expressions: `cargo bench -p butler-core --bench model`.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use butler_core::query::{Binds, Scope};
use butler_core::{DataId, DimensionGroup, DimensionUniverse, DimensionValue};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

fn group() -> DimensionGroup {
    DimensionUniverse::default().conform(["exposure", "detector"]).expect("a group of the universe")
}

fn pairs() -> [(&'static str, DimensionValue); 3] {
    [("instrument", "BenchCam".into()), ("exposure", 2_026_010_100_001_i64.into()), ("detector", 17.into())]
}

fn data_id(detector: i64) -> DataId {
    let mut pairs = pairs();
    pairs[2].1 = detector.into();
    DataId::from_pairs(group(), pairs).expect("a data ID")
}

mod data_ids {
    use super::*;

    #[divan::bench]
    fn from_names(bencher: Bencher<'_, '_>) {
        let group = group();
        bencher.with_inputs(pairs).bench_values(|pairs| DataId::from_pairs(group, pairs));
    }

    #[divan::bench]
    fn from_values(bencher: Bencher<'_, '_>) {
        let group = group();
        let values = data_id(17).required_values().to_vec();
        bencher.with_inputs(|| values.clone()).bench_values(|values| DataId::from_trusted(group, values));
    }

    #[divan::bench]
    fn hash(bencher: Bencher<'_, '_>) {
        let (data_id, hasher) = (data_id(17), BuildHasherDefault::<DefaultHasher>::new());
        bencher.bench(|| hasher.hash_one(black_box(&data_id)));
    }

    #[divan::bench]
    fn digest(bencher: Bencher<'_, '_>) {
        let data_id = data_id(17);
        bencher.bench(|| black_box(&data_id).digest());
    }

    #[divan::bench]
    fn compare_equal(bencher: Bencher<'_, '_>) {
        let (a, b) = (data_id(17), data_id(17));
        bencher.bench(|| black_box(&a) == black_box(&b));
    }

    #[divan::bench]
    fn order(bencher: Bencher<'_, '_>) {
        let (a, b) = (data_id(17), data_id(18));
        bencher.bench(|| black_box(&a).cmp(black_box(&b)));
    }

    #[divan::bench]
    fn subset(bencher: Bencher<'_, '_>) {
        let smaller = DimensionUniverse::default().conform(["detector"]).expect("a group");
        let data_id = data_id(17);
        bencher.bench(|| black_box(&data_id).subset(smaller));
    }
}

mod expressions {
    use super::*;

    const SIMPLE: &str = "instrument = 'BenchCam' AND exposure = 2026010100001";
    const RANGE: &str = "instrument='BenchCam' AND exposure >= 2026010100001 AND exposure <= 2026010100050 \
                         AND detector IN (1, 5, 10, 50, 100)";
    const RICH: &str = "instrument = 'BenchCam' AND (exposure.exposure_time > 15.0 OR NOT band IN ('g', 'r')) \
                        AND exposure.timespan OVERLAPS (T'2026-01-01T00:00:00/tai', T'2026-02-01T00:00:00/tai')";

    #[divan::bench(args = [SIMPLE, RANGE, RICH])]
    fn parse_and_resolve(bencher: Bencher<'_, '_>, text: &str) {
        let binds = Binds::new();
        let scope = Scope { dimensions: group(), datasets: &[], searched: &[], binds: &binds };
        scope.predicate(text).expect("an expression");
        bencher.bench(|| scope.predicate(black_box(text)));
    }
}
