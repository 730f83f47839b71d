// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Whether weights that were packed for this CPU are kept in a file, so that the next start reads them instead of
/// packing again.
///
/// A file holds as many bytes as the packed weights, about as many as the model file. It fits one model file, one
/// instruction set and one packed layout; where it doesn't fit or is damaged, weights are packed from the model file and
/// it is written anew. It is never needed: delete it at any time. It is replaced by rename and carries checksums, so a
/// crash or a loss of power at worst makes the next start pack again.
///
/// ```swift
/// let options = LocalLanguageModel.Options(packedWeights: .folder("/var/cache/models"))
/// ```
public struct PackedWeightsCache: Hashable, Sendable {
  /// Where the files are; `nil` for none.
  public let path: String?

  /// Weights are packed at each start, and nothing is written.
  public static let off = Self(path: nil)

  /// Packed weights are kept in a folder, which is made when it isn't there.
  ///
  /// - Parameter path: The folder; several models and processes may share it.
  /// - Returns: The choice.
  public static func folder(_ path: String) -> Self { Self(path: path) }
}

/// Where a model's packed weights came from.
public struct PackedWeightsOrigin: Sendable {
  /// Whether they were read from a file of packed weights, not packed from the model file.
  public let isCached: Bool
  /// Why a file of packed weights could not be written, or was found damaged; the model runs all the same.
  public let problem: ModelError?
}
