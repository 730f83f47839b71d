// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldInference

/// A made-up byte-level vocabulary of 260-odd tokens, so that tokenizer tests run without model files.
enum SmallVocabulary {
  /// GPT-2's spelling of bytes.
  static let alphabet: [String] = {
    var next: UInt32 = 256
    return (0..<256).map { (byte: UInt32) in
      let stands =
        (0x21...0x7e).contains(byte) || (0xa1...0xac).contains(byte) || (0xae...0xff).contains(byte)
      defer { if !stands { next += 1 } }
      return String(Character(Unicode.Scalar(stands ? byte : next)!))
    }
  }()

  static func writer(
    pre: String,
    merges: [String] = ["h e", "l l", "he ll", "hell o", "Ġ w", "a a", "aa aa"],
    words: [String] = [],
    controls: [String] = ["<|im_start|>", "<|im_end|>"],
    controlKind: Int32 = 3
  ) -> GGUFWriter {
    var tokens = alphabet
    var kinds = [Int32](repeating: 1, count: 256)
    for merge in merges {
      tokens.append(merge.split(separator: " ").joined())
      kinds.append(1)
    }
    for word in words {
      tokens.append(word)
      kinds.append(1)
    }
    for control in controls {
      tokens.append(control)
      kinds.append(controlKind)
    }
    tokens.append("<tool>")
    kinds.append(4)
    var writer = GGUFWriter()
    writer.set("tokenizer.ggml.model", "gpt2")
    writer.set("tokenizer.ggml.pre", pre)
    writer.set("tokenizer.ggml.tokens", tokens)
    writer.set("tokenizer.ggml.token_type", kinds)
    writer.set("tokenizer.ggml.merges", merges)
    return writer
  }

  static func tokenizer(pre: String = "smollm") throws -> BytePairTokenizer {
    try BytePairTokenizer(metadata: metadata(writer(pre: pre)))
  }

  /// A file's metadata, which outlives the file.
  static func metadata(_ writer: GGUFWriter) throws -> GGUFMetadata {
    try withFile(writer.encoded()) { try GGUFFile(path: $0).metadata }
  }

  /// As of a Llama 3 file: ids 263 to 267 are the controls, in order.
  static let llama3Controls = [
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
  ]
}
