// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The two constants of BM25.
///
/// A term that occurs *f* times in a document of length *l* adds
/// `idf × f / (f + k1 × (1 − b + b × l / mean length))`, where `idf = ln(1 + (N − n + ½) / (n + ½))` for a term in
/// *n* of *N* documents (the form that Lucene uses: never negative).
public struct BM25Parameters: Hashable, Sendable, Codable {
  /// How soon repeats of a term stop counting; 0 or more, usually 0.9…1.2.
  public let k1: Float
  /// How much long documents are held back; in 0...1, usually 0.4…0.75.
  public let b: Float

  /// Creates parameters.
  ///
  /// - Parameters:
  ///   - k1: How soon repeats of a term stop counting; 0...1,000.
  ///   - b: How much long documents are held back; 0...1.
  /// - Throws: ``RetrievalError`` with code ``RetrievalError/Code/invalidOption``, for NaN too.
  public init(k1: Float, b: Float) throws(RetrievalError) {
    guard k1 >= 0, k1 <= 1000 else {
      throw RetrievalError(.invalidOption, "k1 is \(k1); it must be in 0...1000")
    }
    guard b >= 0, b <= 1 else { throw RetrievalError(.invalidOption, "b is \(b); it must be in 0...1") }
    self.init(checkedK1: k1, b: b)
  }

  private init(checkedK1 k1: Float, b: Float) {
    self.k1 = k1
    self.b = b
  }

  /// The default.
  public static let standard = Self(checkedK1: 1.2, b: 0.75)
}
