// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold
import TenfoldTestSupport
import Testing

@Suite("tenfold batch, as a user runs it: what it refuses")
struct BatchCommandTests {
  let folder: CommandFolder

  init() throws { folder = try CommandFolder() }

  /// No model is there and none may be fetched.
  private func batch(_ more: String...) async throws -> ChildProgram.Ending {
    try await folder.tenfold(
      ["batch", folder.file("in.jsonl"), folder.file("out.jsonl"), "--file", folder.file("batch.db")] + more,
      environment: ["TENFOLD_MODELS": folder.file("models"), "TENFOLD_OFFLINE": "1"]
    )
  }

  static let line = #"{"custom_id":"a","body":{"messages":[{"role":"user","content":"Hello"}]}}"#

  @Test("an input that isn't there, before a model is looked for")
  func missingInput() async throws {
    let end = try await batch()
    #expect(end.status == 1 && end.output == "")
    #expect(end.errors.hasPrefix("error (inputOutput): \(folder.file("in.jsonl")) can't be opened"))
    #expect(!folder.exists("out.jsonl") && !folder.exists("models"))
  }

  @Test("an output that can't be written, before anything is taken in")
  func badOutput() async throws {
    try folder.write(Self.line, to: "in.jsonl")
    for (output, problem) in [
      (folder.file("none/out.jsonl"), "there is no folder \(folder.file("none")) for the results"),
      (folder.path, "\(folder.path) is a folder: name a file for the results"),
    ] {
      let end = try await folder.tenfold(
        ["batch", folder.file("in.jsonl"), output, "--file", folder.file("batch.db")],
        environment: ["TENFOLD_MODELS": folder.file("models"), "TENFOLD_OFFLINE": "1"]
      )
      #expect(end.status == 1 && end.output == "" && end.errors == "error: \(problem)\n")
      #expect(!folder.exists("batch.db") && !folder.exists("models"))
    }
  }

  @Test("an input with a bad line, whose number it tells")
  func badLine() async throws {
    try folder.write("\(Self.line)\n{\"custom_id\":\n", to: "in.jsonl")
    let end = try await batch()
    #expect(end.status == 1 && end.output == "")
    #expect(end.errors.hasPrefix("error (malformedLine) in line 2: "))
    #expect(!folder.exists("out.jsonl"))
  }

  @Test("an input without lines")
  func empty() async throws {
    try folder.write("\n\n", to: "in.jsonl")
    let end = try await batch()
    #expect(end.status == 1 && end.errors.hasPrefix("error (emptyInput): "))
  }

  @Test("another input under a name that is taken")
  func changed() async throws {
    try folder.write(Self.line, to: "in.jsonl")
    // Taken in, though there is no model to answer it.
    #expect(try await batch("--id", "nightly").errors.contains("SmolLM2-135M-Instruct"))
    try folder.write(
      Self.line + "\n" + Self.line.replacingOccurrences(of: "\"a\"", with: "\"b\""),
      to: "in.jsonl"
    )
    let end = try await batch("--id", "nightly")
    #expect(
      end.status == 1
        && end.errors.hasPrefix(
          "error (inputChanged): batch “nightly:SmolLM2-135M-Instruct” was begun with"
        )
    )
  }

  @Test(
    "the lines of one model wait where no other model answers them",
    arguments: [[], ["--id", "nightly"]]
  )
  func models(more: [String]) async throws {
    try folder.write(Self.line, to: "in.jsonl")
    for model in ["one", "two"] {
      let end = try await folder.tenfold(
        [
          "batch", folder.file("in.jsonl"), folder.file("out.jsonl"), "--file", folder.file("batch.db"),
          "--model", model,
        ] + more,
        environment: ["TENFOLD_MODELS": folder.file("models"), "TENFOLD_OFFLINE": "1"]
      )
      // Taken in, though there is no model to answer it.
      #expect(end.status == 1 && end.errors.contains(model))
    }
    let store = try await SQLiteJobStore.open(.file(folder.file("batch.db")))
    let jobs = try await store.observe(.init(list: .init(limit: 9))).listed
    #expect(jobs.map(\.queue.rawValue).sorted() == ["batch:one", "batch:two"])
    await store.close()
  }

  @Test("a model that isn't known")
  func unknownModel() async throws {
    try folder.write(Self.line, to: "in.jsonl")
    let end = try await batch("--model", "no-such-model")
    #expect(end.status == 1 && end.output == "")
    #expect(end.errors.contains("error (") && end.errors.contains("no-such-model"))
    #expect(!folder.exists("out.jsonl"))
  }

  @Test("a file of something else for what is done")
  func otherFile() async throws {
    try folder.write(Self.line, to: "in.jsonl")
    try folder.write(String(repeating: "not a database ", count: 500), to: "batch.db")
    let end = try await batch()
    #expect(end.status == 1 && end.errors.hasPrefix("error (corrupt): "))
  }

  @Test("options outside their range, with the usage", arguments: ["0", "257", "many"])
  func options(concurrency: String) async throws {
    let end = try await batch("--concurrency", concurrency)
    #expect(end.status == 64 && end.output == "")
    #expect(end.errors.contains("concurrency") && end.errors.contains("Usage: tenfold batch"))
    #expect(!folder.exists("batch.db"))
  }

  @Test(
    "an output that would replace the input or what is done",
    arguments: ["in.jsonl", "link.jsonl", "batch.db"]
  )
  func equalPaths(output: String) async throws {
    try folder.write(Self.line, to: "in.jsonl")
    try FileManager.default.createSymbolicLink(
      atPath: folder.file("link.jsonl"),
      withDestinationPath: folder.file("in.jsonl")
    )
    let end = try await folder.tenfold(
      ["batch", folder.file("in.jsonl"), folder.file(output), "--file", folder.file("batch.db")],
      environment: ["TENFOLD_MODELS": folder.file("models"), "TENFOLD_OFFLINE": "1"]
    )
    #expect(end.status == 64 && end.output == "")
    #expect(end.errors.contains("would replace") && end.errors.contains("Usage: tenfold batch"))
    #expect(try String(contentsOfFile: folder.file("in.jsonl"), encoding: .utf8) == Self.line)
    #expect(!folder.exists("batch.db"))
  }
}
