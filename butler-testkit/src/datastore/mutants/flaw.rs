//! What mutants do wrong.

macro_rules! flaws {
    ($($name:ident = $breaks:literal in [$($topic:literal),*],)*) => {
        /// A behaviour of datastores that a mutant breaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Flaw {
            /// None: it is right.
            None,
            $(#[doc = $breaks] $name,)*
        }

        impl Flaw {
            /// All, with what each breaks and the topics of cases that should find it out.
            pub(super) const ALL: &'static [(Self, &'static str, &'static [&'static str])] =
                &[$((Self::$name, $breaks, &[$($topic),*]),)*];
        }
    };
}

flaws! {
    // opening
    NameForgotten = "has a name of its own" in ["capabilities"],
    UnknownKeysIgnored = "passes over keys that it does not know" in ["capabilities"],
    LosesAllOnOpening = "forgets what was stored when it is opened again" in ["capabilities"],
    ReadOnlyIgnored = "is always opened for writing" in ["capabilities"],
    ConstraintsIgnored = "takes what its configuration refuses" in ["constraints"],
    FilesNotConstrained = "takes files that its configuration refuses" in ["constraints"],
    DisassemblyIgnored = "stores composites whole whatever is configured" in ["components", "uris"],
    ChecksumsForgotten = "records no checksums" in ["put"],
    ChecksumsIgnored = "never compares checksums" in ["get"],
    LeaseIgnored = "deletes however late it is" in ["removal"],
    // answers
    TableKeyTurned = "has a table whose key begins with the second part of the id" in ["capabilities"],
    DeclaresFewer = "can move files, but says that it cannot" in ["capabilities"],
    DeclaresNoArtifacts = "holds artifacts, but says that it does not" in ["capabilities"],
    AcceptsAll = "says that it takes everything" in ["constraints"],
    AcceptanceByTypeAlone = "forgets the data ID when it says what it takes" in ["constraints"],
    KnowsNothing = "knows no dataset" in ["existence"],
    KnowsOthers = "knows datasets of other datastores" in ["existence"],
    GetReversed = "gives objects in the reverse order" in ["get"],
    EmptyGetFails = "fails when nothing is asked for" in ["get"],
    GivenUpPoisons = "gives nothing any more after a read was given up" in ["faults"],
    OneFailsAll = "gives nothing if one thing is missing" in ["get"],
    MissingIsNull = "gives null for what is not there" in ["get", "components"],
    MalformedIsNull = "gives null for what cannot be parsed" in ["get"],
    Unnamed = "does not say what failed" in ["get"],
    SizesIgnored = "does not compare sizes" in ["get"],
    ParametersIgnored = "does not look at read parameters" in ["get"],
    OverrideIgnored = "gives objects as they were stored, whatever is asked for" in ["get"],
    UnknownClassRefused = "refuses storage classes that it does not know" in ["get"],
    ComponentsIgnored = "gives the whole for a component" in ["components"],
    DerivedUnknown = "knows no derived components" in ["components"],
    UnknownIsWhole = "gives the whole for an unknown component" in ["components"],
    PartsReadTogether = "reads all parts for one" in ["components"],
    ExistsByRecord = "takes what has records for there" in ["existence"],
    ExistsByPath = "takes for there what would lie where something lies" in ["existence"],
    ExistsReversed = "answers questions in the reverse order" in ["existence"],
    ExistsByOnePart = "looks for one part of a composite only" in ["existence"],
    AlwaysPredicted = "says that everything is predicted" in ["uris"],
    PredictsUnasked = "predicts URIs without being asked" in ["uris"],
    PredictionUnmarked = "does not say that a URI is predicted" in ["uris"],
    PartsWithoutUris = "has no URIs of parts" in ["uris"],
    UrisPlain = "does not encode URIs" in ["uris"],
    OpensNothing = "opens nothing" in ["capabilities"],
    // requests
    EmptyWriteFails = "fails when nothing is to be written" in ["put"],
    ManyAreFew = "writes the first hundred only" in ["put"],
    LargeIsSmall = "writes the first mebibyte only" in ["put"],
    NulDropped = "drops NUL from text" in ["put"],
    TwiceIsOnce = "writes a dataset once that is given twice" in ["put"],
    EqualPathsOnce = "writes one of the datasets that lead to one path" in ["put"],
    TypesUnchecked = "stores null for an object of another type" in ["put"],
    ComponentIsWhole = "takes a component for the whole" in ["put"],
    OnlyFirstDataset = "records the first dataset of a file only" in ["ingest"],
    MissingSkipped = "passes over files that are not there" in ["ingest"],
    UrlsUndecoded = "takes URLs for paths" in ["ingest"],
    TargetTakenOver = "takes over a file that is where it would go" in ["ingest"],
    TracksAll = "measures every file" in ["ingest"],
    FormatterForgotten = "forgets the formatter that is given" in ["ingest"],
    NoDatasetSkipped = "passes over files of no dataset" in ["ingest"],
    CopyLinks = "links what is to be copied" in ["ingest"],
    MoveCopies = "copies what is to be moved" in ["ingest"],
    MoveEarly = "deletes what is moved before it is registered" in ["ingest", "faults"],
    MoveTakesTarget = "deletes what a moved link leads to" in ["ingest"],
    HardlinkCopies = "copies what is to be hard-linked" in ["ingest"],
    LinkCopies = "copies what is to be linked" in ["ingest"],
    SymlinkHardlinks = "makes hard links for symbolic ones" in ["ingest"],
    SymlinkAsGiven = "links to a link, not to what that leads to" in ["ingest"],
    RelsymlinkAbsolute = "makes absolute links for relative ones" in ["ingest"],
    DirectCopies = "copies what is to stay" in ["ingest"],
    InPlaceCopies = "copies what is in place" in ["ingest"],
    InPlaceAnywhere = "takes over files outside" in ["ingest"],
    SplitIsDirect = "refers to files inside" in ["ingest"],
    AutoCopies = "copies where it may choose" in ["ingest"],
    NamesUnchecked = "writes where the name of a run leads" in ["names"],
    LongRunsRefused = "refuses long names of runs" in ["names"],
    OddFilesRefused = "refuses files with odd names" in ["names"],
    CopyForgetsFormatter = "forgets the formatter of a copied artifact" in ["copies"],
    CopyUnchecked = "does not compare what was copied" in ["copies"],
    StreamCutShort = "takes the first part of a stream only" in ["copies"],
    StreamEndsQuietly = "takes a failure of a stream for its end" in ["copies"],
    PartsAreWhole = "takes copied parts for wholes" in ["copies"],
    // writes
    Clobbers = "replaces what is there" in ["put", "concurrency", "transactions"],
    SecondWriteSkipped = "takes what is there for what was written" in ["put"],
    BrokenIgnored = "reports success when a formatter fails" in ["put"],
    PanicsLeaveAll = "does not clear up after a panic" in ["put"],
    RecordsReversed = "gives records in the reverse order" in ["put"],
    WritesEarly = "writes while it prepares" in ["transactions"],
    EntryForgotten = "writes no entry" in ["transactions", "recovery", "faults"],
    EntryNamesOthers = "writes an entry with other paths" in ["transactions", "recovery"],
    SourceUnnamed = "does not name the source of a move in the entry" in ["transactions", "recovery"],
    SameEntryName = "says the same name of every entry" in ["transactions"],
    CommitKeepsEntry = "leaves the entry after a commit" in ["transactions"],
    TemporaryLeft = "leaves a temporary file after a commit" in ["transactions"],
    SweepsOthers = "deletes the temporary files of others" in ["concurrency", "transactions"],
<<<<<<< HEAD
    RollBackNothing = "does not roll back" in ["transactions", "faults"],
=======
    FailureStays = "leaves what a write that failed has written" in ["transactions"],
    RecordsForgotten = "gives no records of what is written at once" in ["transactions"],
    RollBackNothing = "does not roll back" in ["transactions"],
>>>>>>> main
    RollBackKeepsEntry = "leaves the entry after a roll-back" in ["transactions"],
    RollBackNeedsExecution = "fails to roll back what was not executed" in ["transactions"],
    RollBackTakesAll = "deletes what was there when it rolls back" in ["transactions"],
    RollBackPrunes = "removes directories of others when it rolls back" in ["transactions"],
    DropUndoes = "undoes what was dropped" in ["transactions"],
    // removals
    RemovesNothing = "removes nothing" in ["removal", "existence"],
    RemovesShared = "removes what others use" in ["removal"],
    RemovesDirect = "deletes files that are not its own" in ["removal"],
    RemovesEarly = "deletes while it prepares" in ["removal"],
    RollBackRemoves = "deletes when it rolls back" in ["removal"],
    GoneIsAnError = "fails for artifacts that are gone" in ["removal"],
    NeedsRecords = "fails for datasets without records" in ["removal"],
    DirectoriesStay = "leaves empty directories" in ["removal"],
    RemovalUnannounced = "writes no entry of a removal" in ["removal"],
    RemovalsIgnored = "writes where something is being removed" in ["removal"],
    WritersIgnored = "removes what is being taken over" in ["removal"],
    // recoveries
    RecoversAll = "takes everybody for dead" in ["recovery"],
    RecoversNothing = "recovers nothing" in ["recovery", "faults"],
    UndoTakesAll = "deletes all that the entry of a dead writer names" in ["recovery", "faults"],
    UndoOnce = "deletes the entry of a writer at first sight" in ["recovery"],
    CommittedUndone = "takes what was committed for undone" in ["recovery", "faults"],
    NothingClaimed = "undoes without a claim" in ["recovery"],
    RemovalsForgotten = "forgets removals that were committed" in ["recovery", "faults"],
    DryRunActs = "does what it should only tell" in ["recovery"],
    DamagedStay = "leaves damaged entries" in ["recovery"],
    EachReports = "reports what others deal with" in ["recovery"],
    OutcomesKept = "keeps outcomes of entries that are gone" in ["recovery"],
}
