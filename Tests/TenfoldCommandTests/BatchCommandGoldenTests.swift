// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if !DEBUG
import Foundation
import TenfoldTestSupport
import Testing

private let hasModel =
  ProcessInfo.processInfo.environment["TENFOLD_MODELS"]
  .map { FileManager.default.fileExists(atPath: "\($0)/files/SmolLM2-135M-Instruct") } ?? false

@Suite("Golden: tenfold batch with a model, as a user runs it", .serialized, .enabled(if: hasModel))
struct BatchCommandGoldenTests {
  let folder: CommandFolder

  init() throws { folder = try CommandFolder() }

  private func input(_ count: Int, maxTokens: Int) throws {
    let lines = (0..<count).map { number in
      #"{"custom_id":"c\#(number)","body":{"max_tokens":\#(maxTokens),"messages":"#
        + #"[{"role":"user","content":"Name the number \#(number)."}]}}"#
    }
    try folder.write(lines.joined(separator: "\n"), to: "in.jsonl")
  }

  private var arguments: [String] {
    [
      "batch", folder.file("in.jsonl"), folder.file("out.jsonl"), "--file", folder.file("batch.db"),
      "--concurrency", "2",
    ]
  }

  private func results() throws -> [Substring] {
    try String(contentsOfFile: folder.file("out.jsonl"), encoding: .utf8).split(separator: "\n")
  }

  private func expectAll(_ count: Int, _ end: ChildProgram.Ending) throws {
    #expect(end.status == 0, "\(end.errors)")
    #expect(end.output == "\(folder.file("out.jsonl")): \(count) answered, 0 failed\n")
    let results = try results()
    #expect(results.count == count)
    for (number, result) in results.enumerated() {
      #expect(result.contains(#""custom_id":"c\#(number)""#) && result.contains(#""status_code":200"#))
    }
  }

  @Test("each line is answered, in order; run again nothing is asked twice and the output is the same")
  func answers() async throws {
    try input(4, maxTokens: 4)
    try expectAll(4, try await folder.tenfold(arguments))
    let first = try results()
    try FileManager.default.removeItem(atPath: folder.file("out.jsonl"))
    try expectAll(4, try await folder.tenfold(arguments))
    #expect(try results() == first)
  }

  @Test(
    "stopped by a signal it exits with 130 and keeps what is done; run again it goes on",
    arguments: [SIGINT, SIGTERM]
  )
  func interrupted(signal: Int32) async throws {
    try input(40, maxTokens: 24)
    let process = try ChildProgram("tenfold").start(arguments)
    await process.complains("answering: 10 %")
    process.send(signal: signal)
    let end = await process.ended()
    #expect(end.status == 130 && !end.wasKilled && end.output == "")
    #expect(end.errors.contains("Stopped. Every answered line is kept; run it again to go on."))
    #expect(!folder.exists("out.jsonl"))
    try expectAll(40, try await folder.tenfold(arguments))
  }
}
#endif
