// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import TenfoldKernels
import TenfoldTestSupport
import Testing

@testable import TenfoldInference

@Suite("Packed weights in a file")
struct PackedWeightsTests {
  private let folder: TemporaryDirectory
  private let gguf: String
  private var packed: String { folder.file("packed") }

  init() throws {
    folder = try TemporaryDirectory()
    gguf = folder.file("model.gguf")
    try SyntheticModel().write(to: gguf)
  }

  private func load(_ cache: PackedWeightsCache, set: InstructionSet? = nil) throws -> DecoderModel {
    try DecoderModel(GGUFFile(path: gguf), threads: 2, instructionSet: set, packedWeights: cache)
  }

  private func logits(_ model: DecoderModel) throws -> [Float] {
    let session = try DecoderSession(model, contextLength: 16, threads: 1)
    return try session.evaluate([1, 2, 3]) { logits in logits.indices.map { logits[$0] } }
  }

  private func file() throws -> String {
    let names = try FileManager.default.contentsOfDirectory(atPath: packed)
    try #require(names.count == 1 && names[0].hasSuffix(".tfw"), "\(names)")
    return packed + "/" + names[0]
  }

  @Test("are read at the second start, and give the same bits")
  func second() throws {
    let plain = try load(.off)
    #expect(!plain.packedWeightsOrigin.isCached && !FileManager.default.fileExists(atPath: packed))
    let first = try load(.folder(packed))
    #expect(!first.packedWeightsOrigin.isCached && first.packedWeightsOrigin.problem == nil)
    let second = try load(.folder(packed))
    #expect(second.packedWeightsOrigin.isCached && second.packedWeightsOrigin.problem == nil)
    #expect(try logits(second) == logits(plain))
    #expect(second.streamedByteCount == plain.streamedByteCount)
  }

  @Test("are packed anew when the model file changes")
  func changed() throws {
    _ = try load(.folder(packed))
    var other = SyntheticModel()
    other.seed = 2
    try other.write(to: gguf)
    let changed = try load(.folder(packed))
    #expect(!changed.packedWeightsOrigin.isCached && changed.packedWeightsOrigin.problem == nil)
    #expect(try logits(changed) == logits(load(.off)))
    #expect(try load(.folder(packed)).packedWeightsOrigin.isCached)
    _ = try file()
  }

  @Test("of each instruction set have a file of their own")
  func sets() throws {
    for set in InstructionSet.available {
      _ = try load(.folder(packed), set: set)
      #expect(try load(.folder(packed), set: set).packedWeightsOrigin.isCached)
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: packed)
    #expect(names.count == InstructionSet.available.count)
  }

  @Test("with any byte changed are found damaged or unlike, and made anew")
  func damaged() throws {
    _ = try load(.folder(packed))
    let path = try file()
    let whole = try #require(FileManager.default.contents(atPath: path))
    let expected = try logits(load(.off))
    let seed = UInt64.random(in: .min ... .max)
    var random = SamplerRandom(seed: seed)
    for round in 0..<60 {
      var bytes = whole
      // The head is short, so every other round goes there.
      let place = Int(random.unit() * Double(round.isMultiple(of: 2) ? 2_000 : whole.count))
      bytes[place] ^= UInt8(1 << Int(random.unit() * 8))
      try bytes.write(to: URL(fileURLWithPath: path))
      let model = try load(.folder(packed))
      #expect(try logits(model) == expected, "seed \(seed), byte \(place)")
      if !model.packedWeightsOrigin.isCached {
        #expect(try load(.folder(packed)).packedWeightsOrigin.isCached, "seed \(seed), byte \(place)")
      }
    }
  }

  @Test("cut off anywhere are made anew, and the model says so", arguments: [0, 7, 8, 23, 24, 500, -1])
  func cut(length: Int) throws {
    _ = try load(.folder(packed))
    let path = try file()
    let whole = try #require(FileManager.default.contents(atPath: path))
    try whole.prefix(length < 0 ? whole.count + length : length).write(to: URL(fileURLWithPath: path))
    let model = try load(.folder(packed))
    #expect(model.packedWeightsOrigin.problem?.code == .invalidHeader && !model.packedWeightsOrigin.isCached)
    #expect(try load(.folder(packed)).packedWeightsOrigin.isCached)
  }

  @Test(
    "whose header was forged, checksum and all, are made anew",
    arguments: [Int.max, Int.max - 4_095, Int.min, -1, 0, 1 << 40]
  )
  func forged(byteCount: Int) throws {
    _ = try load(.folder(packed))
    let path = try file()
    let whole = try #require(FileManager.default.contents(atPath: path))
    let length = Int(whole[8..<16].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    let header = try #require(String(bytes: whole[24..<24 + length], encoding: .utf8))
    let forged = header.replacing(/"byteCount":\d+/, with: "\"byteCount\":\(byteCount)")
    try #require(forged != header)
    var bytes = whole.prefix(8)
    let sum = unsafe Array(forged.utf8).withUnsafeBytes { unsafe XXH64.checksum($0) }
    for word in [UInt64(forged.utf8.count), sum] {
      for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> (8 * shift))) }
    }
    bytes.append(contentsOf: forged.utf8)
    try (bytes + whole.dropFirst(bytes.count)).write(to: URL(fileURLWithPath: path))
    #expect(PackedWeightsFile.source(ofFileAt: path) == nil)
    let model = try load(.folder(packed))
    #expect(model.packedWeightsOrigin.problem?.code == .invalidHeader && !model.packedWeightsOrigin.isCached)
    #expect(try load(.folder(packed)).packedWeightsOrigin.isCached)
  }

  @Test("belong to another file once anything before the tensors has changed, wherever it is")
  func head() throws {
    // A head longer than what samples would show of it, and a template that is edited at its end.
    var writer = GGUFWriter()
    writer.set("tokenizer.ggml.tokens", (0..<60_000).map { "token \($0)" })
    writer.set("tokenizer.chat_template", "{{ messages }}")
    writer.set("tokenizer.ggml.eos_token_id", UInt32(2))
    writer.tensor("output_norm.weight", [1 << 20], [UInt8](repeating: 0, count: 4 << 20))
    let bytes = writer.encoded()
    func fingerprint(changing place: Int?) throws -> String {
      var bytes = bytes
      if let place { bytes[place] ^= 1 }
      try Data(bytes).write(to: URL(fileURLWithPath: gguf))
      return PackedWeightsLayout.Source.fingerprint(of: try GGUFFile(path: gguf))
    }
    let head = bytes.count - (4 << 20)
    let letters = (0..<head).filter { bytes[$0] == UInt8(ascii: "k") }
    var all: Set = [try fingerprint(changing: nil)]
    let places = stride(from: 0, to: letters.count, by: letters.count / 40).map { letters[$0] }
    // The last one is that of "eos_token_id", of the keys.
    for place in places + letters.suffix(2) { all.insert(try fingerprint(changing: place)) }
    #expect(all.count == Set(places + letters.suffix(2)).count + 1)
  }

  @Test("half written by a process that was killed are removed, unless they are new")
  func leftovers() throws {
    _ = try load(.folder(packed))
    let path = try file()
    try FileManager.default.removeItem(atPath: path)
    for name in ["old", "new"] { try Data([1]).write(to: URL(fileURLWithPath: "\(path).\(name)")) }
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1)],
      ofItemAtPath: path + ".old"
    )
    #expect(try load(.folder(packed)).packedWeightsOrigin.problem == nil)
    #expect(!FileManager.default.fileExists(atPath: path + ".old"))
    #expect(FileManager.default.fileExists(atPath: path + ".new"))
  }

  @Test("that can't be written don't keep the model from running")
  func unwritable() throws {
    let model = try load(.folder(gguf + "/packed"))
    #expect(!model.packedWeightsOrigin.isCached && model.packedWeightsOrigin.problem?.code == .inputOutput)
    #expect(try logits(model) == logits(load(.off)))
  }

  @Test("are removed by pruning a store once their model file is gone")
  func prune() async throws {
    let store = try ModelStore(options: ModelStore.Options(root: folder.path))
    #expect(store.packedWeights == .folder(packed))
    _ = try load(store.packedWeights)
    _ = try await store.prune()
    #expect(try load(store.packedWeights).packedWeightsOrigin.isCached)
    try Data([1]).write(to: URL(fileURLWithPath: packed + "/x.tfw.half"))
    #expect(try await store.prune().items.map(\.reason) == ["left by an interrupted write"])
    try FileManager.default.removeItem(atPath: gguf)
    let report = try await store.prune()
    #expect(report.items.map(\.reason) == ["packed from a model file that is gone"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: packed).isEmpty)
  }

  @Test(
    "have the checksums of the specification",
    arguments: [
      ("", 0xEF46_DB37_51D8_E999), ("a", 0xD24E_C4F1_A98C_6E5B), ("abc", 0x44BC_2CF5_AD77_0999),
      ("Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1),
    ] as [(String, UInt64)]
  )
  func checksum(text: String, expected: UInt64) {
    #expect(unsafe Array(text.utf8).withUnsafeBytes { unsafe XXH64.checksum($0) } == expected)
  }
}
