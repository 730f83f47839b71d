// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What distinguishes one family of decoders from the others; a new one is one file and one line in ``all``.
protocol DecoderArchitecture: SendableMetatype {
  /// The value of `general.architecture` in its model files.
  static var name: String { get }

  /// Reads and checks the shape.
  static func configuration(_ metadata: GGUFMetadata) throws(ModelError) -> DecoderConfiguration
}

/// The architectures that this version runs.
enum DecoderArchitectures {
  static let all: [any DecoderArchitecture.Type] = [
    LlamaArchitecture.self, Qwen2Architecture.self, Qwen3Architecture.self,
  ]

  /// Reads the shape of the model in a file.
  ///
  /// - Throws: ``ModelError`` with code ``ModelError/Code/unsupported`` that lists what is supported.
  static func configuration(of file: GGUFFile) throws(ModelError) -> DecoderConfiguration {
    let name = try file.metadata.string(for: "general.architecture")
    guard let architecture = all.first(where: { $0.name == name }) else {
      let names = all.map { $0.name }.joined(separator: ", ")
      throw ModelError(
        .unsupported,
        "The architecture '\(name)' of \(file.mappedFile.path) is not supported; supported are \(names)."
      )
    }
    return try architecture.configuration(file.metadata)
  }
}
