// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// How jobs, outputs and checkpoints become bytes.
enum JobCoding {
  /// What is larger belongs into a blob or a file, with a reference in the job.
  static let limitInBytes = 64 << 10

  static func encode(_ value: some Encodable, what: String) throws(JobError) -> [UInt8] {
    let bytes: [UInt8]
    do { bytes = [UInt8](try JSONEncoder().encode(value)) } catch {
      throw JobError(.undecodable, "\(what) can't be encoded as JSON: \(error)", underlying: error)
    }
    guard bytes.count <= limitInBytes else {
      throw JobError(
        .payloadTooLarge,
        "\(what) takes \(bytes.count) bytes, the limit is \(limitInBytes): store the data elsewhere and pass a reference"
      )
    }
    return bytes
  }

  static func decode<Value: Decodable>(
    _ type: Value.Type,
    from bytes: [UInt8],
    what: String
  ) throws(JobError) -> Value {
    do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
      throw JobError(.undecodable, "\(what) isn't a \(type): \(error)", underlying: error)
    }
  }
}
