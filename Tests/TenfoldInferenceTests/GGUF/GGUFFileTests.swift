// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldInference
import Testing

@Suite("GGUF files")
struct GGUFFileTests {
  private func open(_ writer: GGUFWriter) throws -> GGUFFile {
    try withFile(writer.encoded()) { try GGUFFile(path: $0) }
  }

  private func failure(_ change: (inout GGUFWriter) -> Void) -> ModelError.Code? {
    var writer = GGUFWriter()
    change(&writer)
    return code { _ = try open(writer) }
  }

  @Test("give back every kind of value")
  func values() throws {
    let metadata = try open(.sample()).metadata
    #expect(try metadata.string(for: "general.architecture") == "llama")
    #expect(try metadata.integer(for: "llama.block_count", in: 1...100) == 30)
    #expect(try metadata.float(for: "llama.rope.freq_base") == 100_000)
    #expect(metadata["words"]?.stringArray?.strings() == ["alpha", "", "é"])
    #expect(metadata["kinds"]?.intArray == [1, 3, -7])
    #expect(metadata["u8"]?.uint == 200)
    #expect(metadata["i8"]?.int == -1)
    #expect(metadata["u16"]?.uint == 65_535)
    #expect(metadata["i16"]?.int == -2)
    #expect(metadata["i32"]?.int == -3)
    #expect(metadata["flag"]?.bool == true)
    #expect(metadata["u64"]?.uint == .max)
    #expect(metadata["u64"]?.int == nil)
    #expect(metadata["i64"]?.int == .min)
    #expect(metadata["i64"]?.uint == nil)
    #expect(metadata["f64"]?.float == 0.5)
    #expect(metadata["nested"]?.nestedArray?.map(\.intArray) == [[7, 8], [7, 8]])
    #expect(metadata["absent"] == nil)
    #expect(metadata["flag"]?.string == nil)
  }

  @Test("give back tensors, and outlive the path they were opened by")
  func tensors() throws {
    let file = try open(.sample())
    let tensor = try file.tensor(named: "a")
    #expect(tensor.dimensions == [2, 3])
    #expect(tensor.rows == 3)
    let values = unsafe tensor.withUnsafeBytes { bytes in
      (0..<6).map { unsafe bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
    }
    #expect(values == [0, 1, 2, 3, 4, 5])
    #expect(try file.tensor(named: "b").type == .q4_1)
    #expect(try file.tensor(named: "b").byteCount == 40)
    #expect(code { _ = try file.tensor(named: "c") } == .missing)
  }

  @Test("cut at any byte are refused")
  func truncation() throws {
    let whole = GGUFWriter.sample().encoded()
    for length in 0..<whole.count {
      let found = try withFile(Array(whole[..<length])) { path in code { _ = try GGUFFile(path: path) } }
      #expect(found == .truncated || found == .invalidHeader, "cut at \(length)")
    }
  }

  @Test("with any bytes changed never trap", arguments: [1, 2, 3, 4] as [UInt64])
  func fuzz(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let whole = GGUFWriter.sample().encoded()
    for _ in 0..<500 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = [
          0, 1, 0x7f, 0x80, 0xff, UInt8.random(in: 0...255, using: &generator),
        ]
        .randomElement(using: &generator)!
      }
      try withFile(bytes) { path in
        do {
          let file = try GGUFFile(path: path)
          for tensor in file.tensors { tensor.withBytes { #expect($0.byteCount == tensor.byteCount) } }
          for key in file.metadata.keys { _ = file.metadata[key]?.stringArray?.strings() }
        } catch {
          #expect(error is ModelError, "seed \(seed)")
        }
      }
    }
  }

  @Test("of other kinds or versions are refused")
  func versions() throws {
    #expect(failure { $0.version = 1 } == .unsupported)
    #expect(failure { $0.version = 4 } == .unsupported)
    #expect(failure { $0.version = UInt32(3).byteSwapped } == .unsupported)
    #expect(
      try withFile(Array("GGML1234".utf8)) { path in code { _ = try GGUFFile(path: path) } } == .invalidHeader
    )
    #expect(code { _ = try GGUFFile(path: "/nonexistent/file.gguf") } == .inputOutput)
    #expect(code { _ = try GGUFFile(path: FileManager.default.temporaryDirectory.path) } == .inputOutput)
  }

  @Test("with impossible counts are refused before anything is reserved")
  func counts() {
    #expect(failure { $0.valueCount = .max } == .invalidHeader)
    #expect(failure { $0.tensorCount = .max } == .invalidHeader)
    #expect(failure { $0.tensorCount = 1 << 63 } == .invalidHeader)
    let many = GGUFWriter.bytes(UInt32(8)) + GGUFWriter.bytes(UInt64.max)
    #expect(failure { $0.raw("k", type: 9, many) } == .invalidHeader)
    #expect(failure { $0.raw("k", type: 8, GGUFWriter.bytes(UInt64.max)) } == .truncated)
    #expect(failure { $0.raw("k", type: 13, []) } == .invalidHeader)
  }

  @Test("with deeply nested arrays are refused")
  func nesting() {
    var payload = GGUFWriter.bytes(UInt32(0)) + GGUFWriter.bytes(UInt64(0))
    for _ in 0..<1_000 { payload = GGUFWriter.bytes(UInt32(9)) + GGUFWriter.bytes(UInt64(1)) + payload }
    #expect(failure { $0.raw("k", type: 9, payload) } == .invalidHeader)
  }

  @Test("with a key twice, or an empty one, are refused")
  func keys() {
    #expect(
      failure {
        $0.set("k", "a"); $0.set("k", "b")
      } == .invalidHeader
    )
    #expect(failure { $0.set("", "a") } == .invalidHeader)
  }

  @Test("with impossible alignments are refused", arguments: [0, 3, 48, 1 << 31, .max] as [UInt32])
  func alignment(_ value: UInt32) {
    #expect(failure { $0.set("general.alignment", value) } == .invalidHeader)
  }

  @Test(
    "with impossible shapes are refused",
    arguments: [
      [], [0], [1 << 63], [.max, .max], [1 << 32, 1 << 32], [1 << 61, 2, 1, 1], [1, 1, 1, 1, 1],
    ] as [[UInt64]]
  )
  func shapes(_ dimensions: [UInt64]) {
    #expect(failure { $0.tensor("t", dimensions, [0, 0, 0, 0]) } == .invalidTensor)
  }

  @Test("with tensors that are misplaced are refused")
  func places() {
    let four: [UInt8] = [0, 0, 0, 0]
    #expect(failure { $0.tensor("t", [1], offset: 1, four) } == .invalidTensor)
    #expect(failure { $0.tensor("t", [1], offset: .max, four) } == .invalidTensor)
    #expect(failure { $0.tensor("t", [1], offset: UInt64(Int.max) & ~31, four) } == .invalidTensor)
    #expect(failure { $0.tensor("t", [1], offset: 1 << 40, four) } == .truncated)
    #expect(
      failure {
        $0.tensor("t", [1], four); $0.tensor("t", [1], four)
      } == .invalidTensor
    )
    #expect(
      failure {
        $0.tensor("t", [1], four); $0.tensor("u", [1], offset: 0, four)
      } == .invalidTensor
    )
    #expect(failure { $0.tensor("t", [33], type: 3, four) } == .invalidTensor)
  }

  @Test("of unsupported tensor types say which are supported", arguments: [4, 16, 31, 99, .max] as [UInt32])
  func types(_ type: UInt32) throws {
    var writer = GGUFWriter()
    writer.tensor("t", [256], type: type, [0])
    let error = #expect(throws: ModelError.self) { _ = try open(writer) }
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains("Q4_K") == true)
  }
}
