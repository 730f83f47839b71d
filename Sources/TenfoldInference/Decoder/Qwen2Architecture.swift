// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Qwen2 and Qwen2.5: as llama, but with addends in query, key and value and with halves rotated together.
enum Qwen2Architecture: DecoderArchitecture {
  static let name = "qwen2"

  static func configuration(_ metadata: GGUFMetadata) throws(ModelError) -> DecoderConfiguration {
    try DecoderConfiguration(metadata, architecture: name, rotationStyle: .halves, hasAttentionBias: true)
  }
}
