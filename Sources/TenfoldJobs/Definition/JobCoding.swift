// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// How jobs, outputs and checkpoints become bytes.
///
/// Making a coder costs as much as coding a small job, so whoever codes many keeps one.
struct JobCoding {
  private let encoder = JSONEncoder()
  private let decoder = JSONDecoder()

  /// What is larger belongs into a blob or a file, with a reference in the job.
  static let limitInBytes = 64 << 10

  func encode(_ value: some Encodable, what: @autoclosure () -> String) throws(JobError) -> [UInt8] {
    let bytes: [UInt8]
    do { bytes = [UInt8](try encoder.encode(value)) } catch {
      throw JobError(.undecodable, "\(what()) can't be encoded as JSON: \(error)", underlying: error)
    }
    guard bytes.count <= Self.limitInBytes else {
      throw JobError(
        .payloadTooLarge,
        "\(what()) takes \(bytes.count) bytes, the limit is \(Self.limitInBytes): store the data elsewhere and pass a reference"
      )
    }
    return bytes
  }

  func decode<Value: Decodable>(
    _ type: Value.Type,
    from bytes: [UInt8],
    what: @autoclosure () -> String
  ) throws(JobError) -> Value {
    do { return try decoder.decode(type, from: Data(bytes)) } catch {
      throw JobError(.undecodable, "\(what()) isn't a \(type): \(error)", underlying: error)
    }
  }

  static func encode(_ value: some Encodable, what: @autoclosure () -> String) throws(JobError) -> [UInt8] {
    try Self().encode(value, what: what())
  }

  static func decode<Value: Decodable>(
    _ type: Value.Type,
    from bytes: [UInt8],
    what: @autoclosure () -> String
  ) throws(JobError) -> Value {
    try Self().decode(type, from: bytes, what: what())
  }
}
