// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Llama and its many relatives, such as SmolLM2.
///
/// GGUF files hold the rows of query and key so permuted that neighbouring elements are rotated together.
enum LlamaArchitecture: DecoderArchitecture {
  static let name = "llama"

  static func configuration(_ metadata: GGUFMetadata) throws(ModelError) -> DecoderConfiguration {
    try DecoderConfiguration(metadata, architecture: name, rotationStyle: .pairs, hasAttentionBias: false)
  }
}
