// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import Tenfold

@Suite("An input file is read in pieces, whatever is in it")
struct BatchFileTests {
  /// The lines by the simplest reading: the whole file at once.
  private func oracle(_ bytes: [UInt8], limit: Int) -> [BatchFile.Line] {
    var lines: [BatchFile.Line] = []
    for (index, part) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
      let content = part.last == 0x0D ? part.dropLast() : part
      // Whether a line is blank is seen as far as it is held: a byte beyond the limit, for a carriage return.
      if part.count <= limit + 1, content.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
      lines.append(.init(number: index + 1, bytes: content.count <= limit ? Array(content) : nil))
    }
    return lines
  }

  @Test("pieces of any size give the lines of the whole", arguments: 1...60)
  func pieces(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    let alphabet: [UInt8] = [0x0A, 0x0A, 0x0D, 0x20, 0x09, 0x61, 0x7B, 0xFF, 0x00]
    let length = Int.random(in: 0...400, using: &random)
    let bytes = (0..<length).map { _ in alphabet.randomElement(using: &random) ?? 0 }
    let mark: [UInt8] = Bool.random(using: &random) ? [0xEF, 0xBB, 0xBF] : []
    try Data(mark + bytes).write(to: URL(fileURLWithPath: directory.file("x")))
    let limit = Int.random(in: 1...12, using: &random)
    let file = BatchFile(path: directory.file("x"), maximumLineInBytes: limit)
    var lines: [BatchFile.Line] = []
    var position: BatchFile.Position? = .init()
    while let from = position {
      let piece = try file.lines(from: from, count: Int.random(in: 1...5, using: &random))
      lines += piece.lines
      position = piece.next
    }
    // A line of one byte more than the limit is judged by whoever reads it as a request.
    let judged = lines.map { line in
      line.bytes.map { $0.count > limit } == true ? BatchFile.Line(number: line.number, bytes: nil) : line
    }
    #expect(judged == oracle(bytes, limit: limit), "seed \(seed)")
  }

  @Test("a byte order mark belongs to no line, but to the file; elsewhere it is text")
  func byteOrderMark() throws {
    let directory = try TemporaryDirectory()
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let bytes = mark + [0x7B, 0x7D, 0x0A] + mark + [0x78, 0x0A]
    try Data(bytes).write(to: URL(fileURLWithPath: directory.file("x")))
    // The first line just keeps to the limit, as its mark doesn't count.
    let file = BatchFile(path: directory.file("x"), maximumLineInBytes: 2)
    var seen = Data()
    var lines: [BatchFile.Line] = []
    _ = try file.forEachLine(hash: { seen.append($0) }) { (line) throws(BatchError) in
      lines.append(line)
      return true
    }
    #expect(lines == [.init(number: 1, bytes: [0x7B, 0x7D]), .init(number: 2, bytes: nil)])
    #expect(seen == Data(bytes))
    let wider = BatchFile(path: directory.file("x"), maximumLineInBytes: 9)
    let first = try wider.lines(from: .init(), count: 1)
    #expect(first.next == .init(offset: 6, line: 2))
    let second = try wider.lines(from: .init(offset: 6, line: 2), count: 9)
    #expect(second.lines == [.init(number: 2, bytes: mark + [0x78])])
  }

  @Test(
    "the probabilities that a line asks for are a number for completions, and a flag for chats",
    arguments: [
      ("1", "", 1, nil), ("0", "", 0, nil), ("20", "", 20, nil), ("21", "", nil, .unsupportedRequest),
      ("-1", "", nil, .unsupportedRequest), ("1.5", "", nil, .malformedLine),
      ("\"1\"", "", nil, .malformedLine),
      ("true", #","top_logprobs":3"#, 3, nil), ("false", "", nil, nil), ("null", "", nil, nil),
    ] as [(String, String, Int?, BatchError.Code?)]
  )
  func logProbabilities(value: String, more: String, count: Int?, code: BatchError.Code?) throws {
    func read(_ line: String) throws(BatchError) -> Int? {
      let line = BatchFile.Line(number: 1, bytes: Array(line.utf8))
      return try BatchRequest(line, limit: 1000, defaultMaxTokens: 8).options.logProbabilities
    }
    let text = #"{"url":"/v1/completions","body":{"prompt":"x","logprobs":\#(value)\#(more)}}"#
    if let code {
      #expect { try read(text) } throws: { ($0 as? BatchError)?.code == code }
    } else {
      #expect(try read(text) == count)
    }
    let chat = #"{"body":{"messages":[{"role":"user","content":"x"}],"logprobs":\#(value)\#(more)}}"#
    if ["true", "false", "null"].contains(value) {
      #expect(try read(chat) == count)
    } else {
      #expect { try read(chat) } throws: { ($0 as? BatchError)?.code == .malformedLine }
    }
  }

  @Test("a line longer than the reading's pieces is whole, or passed over", arguments: [true, false])
  func longLine(isAllowed: Bool) throws {
    let directory = try TemporaryDirectory()
    let long = [UInt8](repeating: 0x61, count: 1_000_000)
    try Data([0x62, 0x0A] + long + [0x0A, 0x63]).write(to: URL(fileURLWithPath: directory.file("x")))
    let file = BatchFile(path: directory.file("x"), maximumLineInBytes: isAllowed ? 1_000_000 : 999_000)
    let (lines, next) = try file.lines(from: .init(), count: 10)
    #expect(lines.map(\.number) == [1, 2, 3] && next == nil)
    #expect(lines.map(\.bytes?.count) == [1, isAllowed ? 1_000_000 : nil, 1])
  }

  @Test("damaged requests give typed errors, never a trap", arguments: 1...40)
  func fuzz(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let good =
      #"{"custom_id":"a\u00e9","method":"POST","url":"/v1/chat/completions","body":{"messages":[{"role":"user","#
      + #""content":[{"type":"text","text":"x"}]}],"max_tokens":9,"temperature":0.5,"stop":["a"],"n":1,"#
      + #""response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object"}}}}}"#
    for _ in 0..<50 {
      var bytes = Array(good.utf8)
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[index] = UInt8.random(in: .min ... .max, using: &random)
        case 1: bytes.remove(at: index)
        default: bytes.insert(contentsOf: bytes[index...].prefix(20), at: index)
        }
      }
      do {
        _ = try BatchRequest(.init(number: 1, bytes: bytes), limit: 10_000, defaultMaxTokens: 8)
      } catch {
        #expect([.malformedLine, .unsupportedRequest].contains(error.code), "seed \(seed)")
      }
    }
  }
}
