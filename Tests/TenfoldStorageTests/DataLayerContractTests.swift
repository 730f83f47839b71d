// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldStorage

@Suite("The data layer's implementations keep their contracts")
struct DataLayerContractTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test("event logs", arguments: [false, true])
  func eventLogs(onDisk: Bool) async {
    let violations = await EventLogContract.violations {
      if !onDisk { return InMemoryEventLog() }
      let name = ObjectName.random()
      return SQLiteEventLog(
        database: try await SQLiteDatabase.open(
          .file(directory.file(name)),
          schemas: [SQLiteEventLog.schema]
        )
      )
    }
    #expect(violations == [])
  }

  @Test("write sinks: in memory")
  func memorySink() async {
    #expect(
      await WriteSinkContract.violations(of: { InMemoryWriteSink() }, value: { $0[$1]?.payload }) == []
    )
  }

  @Test("write sinks: SQLite")
  func sqliteSink() async {
    let violations = await WriteSinkContract.violations(
      of: { try await DataLayer.sink(.file(directory.file(ObjectName.random()))) },
      value: { sink, subject in try await DataLayer.value(subject, in: sink.database) }
    )
    #expect(violations == [])
  }

  @Test("blob stores", arguments: ["memory", "file", "tiered", "compressed"])
  func blobStores(kind: String) async {
    let violations = await BlobStoreContract.violations {
      switch kind {
      case "memory": return InMemoryBlobStore()
      case "file": return try FileBlobStore(folder: directory.file(ObjectName.random()))
      default:
        return try TieredBlobStore(
          catalog: try await SQLiteDatabase.open(.inMemory, schemas: [TieredBlobStore.schema]),
          tiers: [
            BlobTier("hot", store: InMemoryBlobStore(), compression: kind == "tiered" ? .none : .gzip())
          ]
        )
      }
    }
    #expect(violations == [])
  }
}
