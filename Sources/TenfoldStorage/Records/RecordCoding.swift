// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// How records become the payloads of events.
enum RecordCoding {
  static func encode(_ record: some Encodable, what: String) throws(StorageError) -> [UInt8] {
    do { return [UInt8](try JSONEncoder().encode(record)) } catch {
      throw StorageError(.invalidOption, "\(what) can't be written as JSON: \(error)", underlying: error)
    }
  }

  static func decode<Record: Decodable>(
    _ type: Record.Type,
    from event: StoredEvent
  ) throws(StorageError) -> Record {
    do { return try JSONDecoder().decode(type, from: Data(event.payload)) } catch {
      throw StorageError(
        .corrupt,
        "event \(event.sequence) (\(event.kind)) isn't a \(type): restore the file from a backup",
        underlying: error
      )
    }
  }
}
