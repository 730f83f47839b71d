// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldStorage
import TenfoldVectors

/// A row of the table of documents.
struct StoredDocument: Sendable {
  var number: UInt64
  var sequence: Int64
  var document: IndexedDocument
  /// The vector as it came from the embedder; `nil` in an index without one.
  var vector: [Float]?

  static let schema = SQLiteSchema(
    "retrieval",
    [
      .init(
        1,
        """
        CREATE TABLE document(
          number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL,
          body TEXT NOT NULL, metadata BLOB NOT NULL, vector BLOB, sequence INTEGER NOT NULL) STRICT;
        CREATE INDEX document_sequence ON document(sequence);
        CREATE TABLE removal(number INTEGER PRIMARY KEY, sequence INTEGER NOT NULL) STRICT;
        CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
        CREATE TABLE counter(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
        INSERT INTO counter VALUES('sequence', 0);
        """
      )
    ]
  )

  /// The columns that ``init(_:)`` reads, in its order.
  static let columns = "number, sequence, \(texts), vector"

  /// The columns that ``document(_:from:number:)`` reads, in its order: what comes before the vector in a row.
  static let texts = "id, title, body, metadata"

  init(number: UInt64, sequence: Int64, document: IndexedDocument, vector: [Float]?) {
    self.number = number
    self.sequence = sequence
    self.document = document
    self.vector = vector
  }

  init(_ row: SQLiteRow) throws {
    number = UInt64(bitPattern: try row.int64(0))
    sequence = try row.int64(1)
    document = try Self.document(row, from: 2, number: number)
    vector = try row.optionalBlob(6).map { try Self.vector($0, number: number) }
  }

  /// Reads a document without its vector, from the columns that begin at `column`.
  static func document(_ row: SQLiteRow, from column: Int, number: UInt64) throws -> IndexedDocument {
    IndexedDocument(
      id: DocumentID(try row.text(column)),
      title: try row.text(column + 1),
      text: try row.text(column + 2),
      metadata: try metadata(try row.blob(column + 3), number: number)
    )
  }

  static func bytes(of metadata: [String: String]) -> [UInt8] {
    var writer = ByteWriter()
    writer.writeVarint(UInt64(metadata.count))
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      writer.write(key)
      writer.write(value)
    }
    return writer.bytes
  }

  static func bytes(of vector: [Float]) -> [UInt8] {
    var writer = ByteWriter()
    for value in vector { writer.write(value) }
    return writer.bytes
  }

  static func vector(_ bytes: [UInt8], number: UInt64) throws(RetrievalError) -> [Float] {
    do throws(SectionFileError) {
      var reader = ByteReader(bytes, name: "the vector of document number \(number)")
      var values: [Float] = []
      values.reserveCapacity(bytes.count / 4)
      while !reader.isAtEnd { values.append(try reader.readFloat()) }
      return values
    } catch {
      throw RetrievalError(error)
    }
  }

  private static func metadata(_ bytes: [UInt8], number: UInt64) throws(RetrievalError) -> [String: String] {
    do throws(SectionFileError) {
      var reader = ByteReader(bytes, name: "the metadata of document number \(number)")
      var metadata: [String: String] = [:]
      for _ in 0..<(try reader.readCount(each: 2)) {
        let key = try reader.readText()
        metadata[key] = try reader.readText()
      }
      return metadata
    } catch {
      throw RetrievalError(error)
    }
  }
}
