// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What went wrong in a cache, and what to do about it.
///
/// A request never fails because of its cache: the middlewares turn these errors into misses and count them. Compare
/// `code`, never the text of `message`.
public struct CacheError: CodedError {
  /// The kinds of failure; the list can grow, so always keep a default branch.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// The name of the code, as printed.
    public let description: String

    private init(_ description: String) { self.description = description }

    /// There is no room left where the store keeps its entries; reads go on.
    public static let storageFull = Self("storageFull")
    /// The store could not be read or written.
    public static let storeFailed = Self("storeFailed")
    /// An option lies outside its documented range; the message names the range.
    public static let invalidOption = Self("invalidOption")
    /// A vector holds NaN or infinity, has length zero, or comes from another embedder.
    public static let invalidEmbedding = Self("invalidEmbedding")
    /// The store was written by a newer version of Tenfold.
    public static let futureFormat = Self("futureFormat")
    /// Another task runs the cache already.
    public static let alreadyRunning = Self("alreadyRunning")
  }

  /// The code, the message, and where the error was thrown.
  public let details: ErrorDetails<Code>

  /// Creates an error from its details.
  public init(_ details: ErrorDetails<Code>) { self.details = details }
}
