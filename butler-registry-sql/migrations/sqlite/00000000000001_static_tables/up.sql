CREATE TABLE "repo_attribute" ( -- Facts about the repository: versions, universe, parents
  "key" TEXT NOT NULL, -- Name of the fact
  "value" TEXT NOT NULL, -- The fact
  PRIMARY KEY ("key")
) STRICT, WITHOUT ROWID;

CREATE TABLE "origin" ( -- Writing sessions: who issued the dataset ids of an origin
  "origin" INTEGER NOT NULL, -- 60 random bits, the first part of dataset ids
  "repository" TEXT NOT NULL, -- Identity of the repository that the session wrote to
  "host" TEXT NOT NULL, -- Host name
  "username" TEXT NOT NULL, -- Name of the account
  "began" INTEGER NOT NULL, -- TAI nanoseconds since 1970
  PRIMARY KEY ("origin")
) STRICT, WITHOUT ROWID;

CREATE TABLE "collection" ( -- Collections
  "collection_id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, -- Surrogate key
  "name" TEXT NOT NULL, -- Name
  "type" INTEGER NOT NULL, -- 1 RUN, 2 TAGGED, 3 CHAINED, 4 CALIBRATION
  "doc" TEXT NOT NULL -- Documentation, perhaps empty
) STRICT;
CREATE UNIQUE INDEX "collection:u0" ON "collection" ("name");

CREATE TABLE "collection_chain" ( -- Children of CHAINED collections
  "parent_id" INTEGER NOT NULL, -- The chain
  "position" INTEGER NOT NULL, -- Place in the search order, ascending from 0
  "child_id" INTEGER NOT NULL, -- The collection at that place
  PRIMARY KEY ("parent_id", "position"),
  FOREIGN KEY ("parent_id") REFERENCES "collection" ("collection_id") ON DELETE CASCADE,
  FOREIGN KEY ("child_id") REFERENCES "collection" ("collection_id")
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX "collection_chain:u0" ON "collection_chain" ("parent_id", "child_id");
CREATE INDEX "collection_chain:i0" ON "collection_chain" ("child_id");

CREATE TABLE "dataset_type" ( -- Dataset types
  "dataset_type_id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, -- Surrogate key
  "name" TEXT NOT NULL, -- Name
  "kind" TEXT NOT NULL, -- standard, global or nonsingular
  "dimensions" TEXT NOT NULL, -- Names of the required dimensions, separated by commas
  "storage_class" TEXT NOT NULL, -- Name of the storage class
  "is_calibration" INT NOT NULL CHECK ("is_calibration" IN (0, 1)), -- Whether its datasets may be certified
  "genre" TEXT, -- Name of the genre whose policies its datasets follow
  "data_table" TEXT NOT NULL, -- Table of its datasets
  "calib_table" TEXT -- Table of its validity ranges
) STRICT;
CREATE UNIQUE INDEX "dataset_type:u0" ON "dataset_type" ("name");

CREATE TABLE "collection_summary" ( -- Dataset types that may have datasets in a collection
  "collection_id" INTEGER NOT NULL, -- The collection
  "dataset_type_id" INTEGER NOT NULL, -- The dataset type
  PRIMARY KEY ("collection_id", "dataset_type_id"),
  FOREIGN KEY ("collection_id") REFERENCES "collection" ("collection_id") ON DELETE CASCADE,
  FOREIGN KEY ("dataset_type_id") REFERENCES "dataset_type" ("dataset_type_id") ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX "collection_summary:i0" ON "collection_summary" ("dataset_type_id");

CREATE TABLE "collection_governor" ( -- Values of governor dimensions that datasets of a collection may have
  "collection_id" INTEGER NOT NULL, -- The collection
  "governor" TEXT NOT NULL, -- Name of the dimension
  "value" TEXT NOT NULL, -- Its value
  PRIMARY KEY ("collection_id", "governor", "value"),
  FOREIGN KEY ("collection_id") REFERENCES "collection" ("collection_id") ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE "dataset" ( -- Datasets of all types
  "origin" INTEGER NOT NULL, -- First part of the dataset id
  "id" INTEGER NOT NULL, -- Second part of the dataset id
  "dataset_type_id" INTEGER NOT NULL, -- Its type
  "run_id" INTEGER NOT NULL, -- The RUN collection that it lives in
  "quantum_origin" INTEGER, -- First part of the id of the quantum that made it
  "quantum_id" INTEGER, -- Second part of the id of the quantum that made it
  "ingested_at" INTEGER NOT NULL, -- TAI nanoseconds since 1970
  PRIMARY KEY ("origin", "id")
) STRICT, WITHOUT ROWID;

CREATE TABLE "dataset_tag" ( -- Members of TAGGED collections
  "collection_id" INTEGER NOT NULL, -- The collection
  "dataset_type_id" INTEGER NOT NULL, -- Type of the dataset
  "data_id_hash" BLOB NOT NULL, -- Digest of the data ID
  "origin" INTEGER NOT NULL, -- First part of the dataset id
  "id" INTEGER NOT NULL, -- Second part of the dataset id
  PRIMARY KEY ("collection_id", "dataset_type_id", "data_id_hash")
) STRICT, WITHOUT ROWID;
CREATE INDEX "dataset_tag:i0" ON "dataset_tag" ("origin", "id");

CREATE TABLE "datastore" ( -- Datastores
  "datastore_id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, -- Surrogate key
  "name" TEXT NOT NULL -- Name
) STRICT;
CREATE UNIQUE INDEX "datastore:u0" ON "datastore" ("name");

CREATE TABLE "dataset_location" ( -- Datasets that a datastore has artifacts of
  "origin" INTEGER NOT NULL, -- First part of the dataset id
  "id" INTEGER NOT NULL, -- Second part of the dataset id
  "datastore_id" INTEGER NOT NULL, -- The datastore
  PRIMARY KEY ("origin", "id", "datastore_id")
) STRICT, WITHOUT ROWID;

CREATE TABLE "quantum" ( -- Units of processing: provenance
  "origin" INTEGER NOT NULL, -- First part of the quantum's id
  "id" INTEGER NOT NULL, -- Second part of the quantum's id
  "label" TEXT NOT NULL, -- Label of the task in its pipeline
  "task" TEXT NOT NULL, -- Name of the task
  "run_id" INTEGER NOT NULL, -- RUN collection of the outputs
  "data_id" TEXT NOT NULL, -- Data ID, as a JSON object
  "host" TEXT, -- Host that it ran on
  "began" INTEGER, -- Start, in TAI nanoseconds since 1970
  "ended" INTEGER, -- End, in TAI nanoseconds since 1970
  "status" TEXT NOT NULL, -- defined, running, succeeded or failed
  PRIMARY KEY ("origin", "id")
) STRICT, WITHOUT ROWID;
CREATE INDEX "quantum:i0" ON "quantum" ("run_id");

CREATE TABLE "quantum_input" ( -- Datasets that quanta read
  "quantum_origin" INTEGER NOT NULL, -- First part of the quantum's id
  "quantum_id" INTEGER NOT NULL, -- Second part of the quantum's id
  "origin" INTEGER NOT NULL, -- First part of the dataset id
  "id" INTEGER NOT NULL, -- Second part of the dataset id
  "actual" INT NOT NULL CHECK ("actual" IN (0, 1)), -- Whether it was read, not only predicted
  PRIMARY KEY ("quantum_origin", "quantum_id", "origin", "id")
) STRICT, WITHOUT ROWID;
CREATE INDEX "quantum_input:i0" ON "quantum_input" ("origin", "id");

CREATE TABLE "quantum_output" ( -- Datasets that quanta wrote
  "quantum_origin" INTEGER NOT NULL, -- First part of the quantum's id
  "quantum_id" INTEGER NOT NULL, -- Second part of the quantum's id
  "origin" INTEGER NOT NULL, -- First part of the dataset id
  "id" INTEGER NOT NULL, -- Second part of the dataset id
  PRIMARY KEY ("quantum_origin", "quantum_id", "origin", "id")
) STRICT, WITHOUT ROWID;
CREATE INDEX "quantum_output:i0" ON "quantum_output" ("origin", "id");

CREATE TABLE "journal_outcome" ( -- Who won an entry of a datastore's journal: its writer or a recovery
  "entry" TEXT NOT NULL, -- Name of the entry
  "outcome" TEXT NOT NULL, -- committed or aborted
  "at" INTEGER NOT NULL, -- TAI nanoseconds since 1970
  PRIMARY KEY ("entry")
) STRICT, WITHOUT ROWID;

CREATE TABLE "opaque_table" ( -- Tables that datastores declared
  "name" TEXT NOT NULL, -- Name of the table
  "version" INTEGER NOT NULL, -- Version of the table's layout
  "spec" TEXT NOT NULL, -- Its specification, as JSON
  PRIMARY KEY ("name")
) STRICT, WITHOUT ROWID;
