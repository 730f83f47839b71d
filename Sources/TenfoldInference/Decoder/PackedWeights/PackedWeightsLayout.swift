// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels

/// Which matrices packed weights hold, where each lies, and what they were made from.
///
/// Two equal layouts describe the same bytes.
struct PackedWeightsLayout: Codable, Equatable, Sendable {
  struct Matrix: Codable, Equatable, Sendable {
    let name: String
    let format: String
    let rows: Int
    let columns: Int
    /// From the first byte of all, a multiple of 64.
    let offset: Int
    let count: Int
  }

  /// What tells one state of a model file from another.
  struct Source: Codable, Equatable, Sendable {
    let path: String
    let stamp: FileStamp
    /// The checksum of the header and of samples of the data, in hexadecimal.
    let fingerprint: String
  }

  let layoutVersion: Int
  let instructionSet: String
  let source: Source?
  private(set) var matrices: [Matrix] = []
  private(set) var byteCount = 0

  init(instructionSet: InstructionSet, source: Source?) {
    layoutVersion = LinearLayerFactory.packedLayoutVersion
    self.instructionSet = instructionSet.name
    self.source = source
  }

  mutating func add(_ tensor: GGUFTensor, as format: WeightFormat) throws(ModelError) {
    let count = try ModelError.wrapping("Tensor \(tensor.name)") { () throws(KernelError) in
      try LinearLayerFactory.packedByteCount(format: format, rows: tensor.rows, columns: tensor.columns)
    }
    let (end, overflow) = byteCount.addingReportingOverflow(count)
    guard !overflow, end < Int.max / 2 else {
      throw ModelError(.invalidTensor, "The tensors up to \(tensor.name) are larger than any memory.")
    }
    matrices.append(
      Matrix(
        name: tensor.name,
        format: format.name,
        rows: tensor.rows,
        columns: tensor.columns,
        offset: byteCount,
        count: count
      )
    )
    byteCount = (end + 63) & ~63
  }
}

extension PackedWeightsLayout.Source {
  /// Looks at the file: its stamp, all before its tensors, and 64 samples of 4 KB spread over it.
  ///
  /// A file whose weights were changed in place with its size and time kept is taken for the same unless a sample shows it.
  init?(of model: GGUFFile) {
    let file = model.mappedFile
    guard let stamp = FileStamp.ofFile(at: file.path), stamp.size == UInt64(file.count) else { return nil }
    self.init(path: file.path, stamp: stamp, fingerprint: Self.fingerprint(of: model))
  }

  /// The checksum of all before the tensors, the vocabulary and the chat template among it, and of the samples.
  static func fingerprint(of model: GGUFFile) -> String {
    let file = model.mappedFile
    let sampleCount = 64
    let sampleLength = min(4_096, file.count)
    var sums: [UInt64] = []
    unsafe file.withUnsafeBytes { bytes in
      unsafe sums.append(XXH64.checksum(UnsafeRawBufferPointer(rebasing: bytes.prefix(model.headLength))))
      for index in 0..<sampleCount {
        let start = (file.count - sampleLength) / sampleCount * index
        unsafe sums.append(
          XXH64.checksum(UnsafeRawBufferPointer(rebasing: bytes[start..<start + sampleLength]))
        )
      }
    }
    let sum = unsafe sums.withUnsafeBytes { unsafe XXH64.checksum($0) }
    return String(sum, radix: 16)
  }
}
