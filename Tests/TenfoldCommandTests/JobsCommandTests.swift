// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold
import TenfoldTestSupport
import Testing

@Suite("tenfold jobs, as a user runs it")
struct JobsCommandTests {
  let folder: CommandFolder

  init() throws { folder = try CommandFolder() }

  @Test("backup copies a queue that is in use, and the copy holds every job")
  func backup() async throws {
    let store = try await folder.queue(tenants: ["a", "b", "c"])
    let copy = folder.file("copy.db")
    let end = try await folder.tenfold(["jobs", "backup", "--file", folder.file("jobs.db"), copy])
    #expect(end.status == 0 && end.errors == "")
    #expect(end.output == "\(copy) is a whole and checked copy\n")
    let restored = try await SQLiteJobStore.open(.file(copy))
    let jobs = try await restored.observe(.init(list: .init(limit: 10))).listed
    #expect(jobs.map(\.payload) == ["of a", "of b", "of c"].map { Array($0.utf8) })
    await restored.close()
    #expect(try await store.claim(ClaimRequest(maximum: 5)).count == 3)
    await store.close()
  }

  @Test("backup refuses the queue's own file and a folder that isn't there, and leaves the queue as it was")
  func refusedBackups() async throws {
    let store = try await folder.queue(tenants: ["a"])
    let file = folder.file("jobs.db")
    let own = try await folder.tenfold(["jobs", "backup", "--file", file, file])
    #expect(own.status == 1 && own.output == "")
    #expect(own.errors == "error (misuse): \(file) is the database itself: name another file\n")
    let nowhere = try await folder.tenfold(["jobs", "backup", "--file", file, folder.file("none/copy.db")])
    #expect(nowhere.status == 1 && nowhere.output == "")
    #expect(nowhere.errors.hasPrefix("error (inputOutput): "))
    #expect(!folder.exists("none"))
    #expect(try await store.database.problems() == [])
    #expect(try await store.observe(.init()).ready == 1)
    await store.close()
  }

  @Test("check finds a sound file sound, also while it is in use", arguments: [[], ["--quick"]])
  func check(flags: [String]) async throws {
    let store = try await folder.queue(tenants: ["a", "b"])
    let end = try await folder.tenfold(["jobs", "check", "--file", folder.file("jobs.db")] + flags)
    #expect(end.status == 0 && end.errors == "" && end.output == "the file is sound\n")
    await store.close()
  }

  @Test("check tells of damage on standard error and fails")
  func damage() async throws {
    let store = try await folder.queue(tenants: (0..<500).map { "tenant \($0)" })
    await store.close()
    let url = URL(fileURLWithPath: folder.file("jobs.db"))
    var data = try Data(contentsOf: url)
    // The last quarter becomes zeros; the tables' names and what a store reads to open lie before it.
    let begin = data.count / 4 * 3 / 4096 * 4096
    data.replaceSubrange(begin..., with: [UInt8](repeating: 0, count: data.count - begin))
    try data.write(to: url)
    let end = try await folder.tenfold(["jobs", "check", "--file", url.path])
    #expect(end.status == 1 && end.output == "" && !end.errors.isEmpty)
    let copy = try await folder.tenfold(["jobs", "backup", "--file", url.path, folder.file("copy.db")])
    #expect(copy.status == 1 && copy.errors.hasPrefix("error (corrupt): "))
    #expect(!folder.exists("copy.db"))
  }

  @Test("prune deletes the rows of tenants without jobs and says how many")
  func prune() async throws {
    let store = try await folder.queue(tenants: ["a", "b", "c"])
    let leases = try await store.claim(ClaimRequest(maximum: 2))
    _ = try await store.settle(leases.map { JobSettlement($0.reference, .done(result: nil)) })
    let file = folder.file("jobs.db")
    let first = try await folder.tenfold(["jobs", "prune", "--file", file])
    #expect(first.status == 0 && first.errors == "" && first.output == "2 rows deleted\n")
    let second = try await folder.tenfold(["jobs", "prune", "--file", file])
    #expect(second.status == 0 && second.output == "0 rows deleted\n")
    #expect(try await store.claim(ClaimRequest(maximum: 5)).map(\.tenant) == ["c"])
    await store.close()
  }

  @Test(
    "erase deletes a tenant's jobs and says how many; it needs the name of one",
    arguments: [[], ["--compact"]]
  )
  func erase(flags: [String]) async throws {
    let store = try await folder.queue(tenants: ["a", "b", "a"])
    let file = folder.file("jobs.db")
    _ = try await store.claim(ClaimRequest(maximum: 1))
    let end = try await folder.tenfold(["jobs", "erase", "--file", file, "--tenant", "a"] + flags)
    #expect(end.status == 0 && end.errors == "")
    #expect(end.lines == ["2 jobs of tenant a erased"] + (flags.isEmpty ? [] : ["the file was written anew"]))
    let again = try await folder.tenfold(["jobs", "erase", "--file", file, "--tenant", "a"] + flags)
    #expect(again.status == 0 && again.lines.first == "0 jobs of tenant a erased")
    #expect(try await store.observe(.init(list: .init(limit: 9))).listed.map(\.tenant) == ["b"])
    for wrong in [["--tenant", ""], []] {
      #expect(try await folder.tenfold(["jobs", "erase", "--file", file] + wrong).status == 64)
    }
    await store.close()
  }

  @Test("erase takes a tenant's batches along, with what was asked")
  func eraseBatches() async throws {
    let file = folder.file("batch.db")
    let database = try await SQLiteDatabase.open(
      .file(file),
      schemas: [SQLiteJobStore.schema, BatchInference.schema]
    )
    let store = try await SQLiteJobStore.open(in: database)
    for tenant in ["a", "b"] {
      let line = #"{"body":{"messages":[{"role":"user","content":"MARKER-OF-\#(tenant)"}]}}"#
      try folder.write(line, to: "in.jsonl")
      try await BatchInference.Intake(store: store)
        .submit(folder.file("in.jsonl"), as: BatchID(tenant), for: TenantID(tenant))
    }
    let end = try await folder.tenfold(["jobs", "erase", "--file", file, "--tenant", "a", "--compact"])
    #expect(end.status == 0 && end.errors == "")
    #expect(
      end.lines
        == ["1 jobs of tenant a erased", "1 batches of tenant a erased", "the file was written anew"]
    )
    let bytes = try [file, file + "-wal"].filter(FileManager.default.fileExists)
      .map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
    #expect(bytes.allSatisfy { $0.range(of: Data("MARKER-OF-a".utf8)) == nil })
    #expect(bytes.contains { $0.range(of: Data("MARKER-OF-b".utf8)) != nil })
    #expect(try await store.observe(.init(list: .init(limit: 9))).listed.map(\.tenant) == ["b"])
    await store.close()
  }

  @Test("a file that isn't there is refused, not made", arguments: ["backup", "check", "prune"])
  func missingFile(command: String) async throws {
    let file = folder.file("none.db")
    let end = try await folder.tenfold(
      ["jobs", command, "--file", file] + (command == "backup" ? [folder.file("copy.db")] : [])
    )
    #expect(end.status == 1 && end.output == "")
    #expect(end.errors == "error: there is no file \(file)\n")
    #expect(!folder.exists("none.db") && !folder.exists("copy.db"))
  }

  @Test("a file of something else is refused and left as it is", arguments: ["check", "prune"])
  func otherFile(command: String) async throws {
    let text = String(repeating: "These are notes, not a queue. ", count: 400)
    try folder.write(text, to: "notes.txt")
    let end = try await folder.tenfold(["jobs", command, "--file", folder.file("notes.txt")])
    #expect(end.status == 1 && end.output == "")
    #expect(end.errors.hasPrefix("error (corrupt): "))
    #expect(try String(contentsOfFile: folder.file("notes.txt"), encoding: .utf8) == text)
  }

  @Test(
    "a database that holds no queue is refused and left as it is",
    arguments: ["stats", "list", "show", "check", "drain", "prune"]
  )
  func otherDatabase(command: String) async throws {
    let notes = SQLiteSchema("notes", [.init(1, "CREATE TABLE note(text TEXT) STRICT;")])
    let file = folder.file("notes.db")
    await (try await SQLiteDatabase.open(.file(file), schemas: [notes])).close()
    let before = try Data(contentsOf: URL(fileURLWithPath: file))
    let more = command == "show" ? ["\(RawJobID())"] : []
    let end = try await folder.tenfold(["jobs", command, "--file", file] + more)
    #expect(end.status == 1 && end.output == "" && end.errors == "error: there is no queue in \(file)\n")
    #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == before)
  }

  @Test("a wrong call exits with 64 and shows the usage")
  func usage() async throws {
    let end = try await folder.tenfold(["jobs", "backup", "--file", "x"])
    #expect(end.status == 64 && end.output == "")
    #expect(end.errors.contains("Missing expected argument '<destination>'"))
    #expect(end.errors.contains("Usage: tenfold jobs backup"))
  }
}
