//! Single faults that the mutants of the reference backend have.

macro_rules! flaws {
    ($($topics:tt { $($name:ident = $breaks:literal,)* })*) => {
        /// A behaviour of the reference backend that a mutant breaks.
        ///
        /// Only what wrappers cannot break from outside is here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Flaw { $($(#[doc = $breaks] $name,)*)* }

        impl Flaw {
            /// All, with what each breaks, and the topics whose cases find it out.
            pub(crate) const ALL: &'static [(Self, &'static str, &'static [&'static str])] =
                &[$($((Self::$name, $breaks, &$topics),)*)*];
        }
    };
}

flaws! {
    ["arithmetic", "closure", "grouping", "scalars"] {
        IntegersComparedAsFloats = "compares an integer with a float after rounding it to one",
        TextWithoutCase = "compares text without regard to case",
        TextByLocale = "orders text as people do, a before B",
        TextPadded = "compares text without trailing spaces",
        BytesByLength = "orders bytes by length first",
        TrueBeforeFalse = "orders true before false",
        GlobWithoutCase = "fits patterns without regard to case",
        GlobBytewise = "takes ? in patterns for one byte",
        IntegersWrap = "lets integers wrap around",
        NegationWraps = "lets the negative of the smallest integer wrap around",
        QuotientRoundsDown = "rounds integer quotients down",
        QuotientWraps = "lets the quotient of the smallest integer by -1 wrap around",
        RemainderPositive = "gives remainders that are never negative",
        RemainderOverflows = "fails for the remainder of the smallest integer by -1",
        DivisionTruncates = "truncates true division",
        UnderflowIsZero = "takes zero for an underflow",
        FloatOverflowIsNull = "takes NULL for an overflow of floats",
        DivisionByZeroFails = "fails for a division by zero",
        NullIsSmallest = "counts NULL as the smallest value of a group",
        NullLeadsOn = "follows edges from NULL",
    }
    ["exclusion", "identity", "insert"] {
        ColumnsGivenTwice = "accepts a column given twice",
        NullAllowed = "accepts NULL in every column",
        TextEndsAtNul = "cuts text at NUL",
        InfinityIsNull = "stores NULL for infinity",
        IdentityDescends = "issues identities to the rows of a batch in reverse",
        IdentityReused = "issues identities again after a deletion",
        IdentityGivenForgotten = "issues identities that a caller gave before",
        UniqueUnchecked = "does not check unique rules",
        SecondUniqueUnchecked = "checks the first unique rule only",
        UniqueNullsClash = "takes NULL for equal to NULL in unique rules",
        ExclusionUnchecked = "does not check exclusion rules, though it says so",
        ExclusionTouching = "takes ranges that touch for overlapping",
        ExclusionByBegin = "finds only overlaps that begin in the new range",
        ExclusionForAll = "excludes overlaps of rows that do not agree",
        ExclusionCountsItself = "excludes the overlap of a row with what it was before",
        ExclusionNullsAgree = "takes NULL for equal to NULL in exclusion rules",
        EmptyRangeAccepted = "accepts empty ranges",
    }
    ["tables"] {
        SpecificationsUnchecked = "does not check the soundness of specifications",
        CreateComparesOrder = "takes a table with indexes in another order for another table",
        CreateComparesComments = "takes a table with another comment for another table",
        MissingTableReferred = "accepts a reference to a table that is not there",
        ReferredKeyUnchecked = "accepts a reference to what is not a key",
        ReferenceUntyped = "accepts a reference to columns of other types",
        DropLeavesReferences = "drops a table that others refer to",
    }
    ["delete", "foreign_keys"] {
        ReferencesUnchecked = "accepts rows that refer to nothing",
        ReferencesByPosition = "pairs columns of references by their place in the other key",
        ReferencesByHalves = "checks references with a NULL in them",
        DeleteCountsCascaded = "counts rows that go by a cascade",
        RestrictUnchecked = "deletes rows that others refer to",
        RestrictCountsGoing = "counts referring rows that go too",
        CascadeIsRestrict = "does not cascade",
        CascadeOneLevel = "cascades one level only",
    }
    ["concurrency", "tables", "transactions"] {
        EachCallCommits = "commits each call by itself",
        DefinitionsCommit = "commits where tables are created or dropped",
        UpdatesLost = "commits what it made of rows that have changed meanwhile",
        CreationRaces = "fails if another transaction creates a table meanwhile",
        FailureForgiven = "goes on after a failed call",
        SelectGoesOn = "hands over batches after it was told to stop",
        LockUnchecked = "locks whatever it is given",
        FailureInSavepointForgiven = "takes a savepoint for good although a call in it failed",
        PanicCommits = "commits what a body did before it panicked",
    }
}

/// Whether a backend has a flaw.
pub(crate) trait Flawed {
    /// Whether it is this one.
    fn is(self, flaw: Flaw) -> bool;
}

impl Flawed for Option<Flaw> {
    fn is(self, flaw: Flaw) -> bool {
        self == Some(flaw)
    }
}
