// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Qwen3 (dense): as llama, but with halves rotated together and with each head of query and key normalised before that.
///
/// Heads are longer than the width cut into heads in its small models.
enum Qwen3Architecture: DecoderArchitecture {
  static let name = "qwen3"

  static func configuration(_ metadata: GGUFMetadata) throws(ModelError) -> DecoderConfiguration {
    try DecoderConfiguration(
      metadata,
      architecture: name,
      rotationStyle: .halves,
      hasAttentionBias: false,
      normalisesHeads: true
    )
  }
}
