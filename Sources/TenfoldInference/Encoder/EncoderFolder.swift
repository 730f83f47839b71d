// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0
// The names of properties are those in the files.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Foundation

/// What the JSON files beside an encoder's weights say: those of transformers and of sentence-transformers.
///
/// Every file may be missing. What a file asks for and can't be had is refused rather than computed otherwise.
struct EncoderFolder {
  /// Attention heads.
  var headCount: Int?
  /// What layer norms add to the variance.
  var layerNormEpsilon: Float?
  /// How tokens become one vector.
  var pooling: EncoderPooling?
  /// The longest text in tokens.
  var maxTokens: Int?
  /// How text is normalised.
  var tokenizer: WordPieceTokenizer.Options?

  private let path: String
  /// Larger files are none of these.
  private static let maximumByteCount = 1 << 20

  init() { path = "" }

  /// Reads the files in the directory at `path`.
  ///
  /// - Throws: ``ModelError`` with code ``ModelError/Code/inputOutput``, ``ModelError/Code/invalidHeader`` for a file
  ///   that is not JSON of the expected kind, or ``ModelError/Code/unsupported``.
  init(path: String) throws(ModelError) {
    self.path = path
    try readConfiguration()
    try readModules()
    try readPooling()
    try readTokenizer()
    try readLimits()
  }

  // MARK: - Files

  private mutating func readConfiguration() throws(ModelError) {
    struct Contents: Decodable {
      var model_type: String?
      var hidden_act: String?
      var position_embedding_type: String?
      var num_attention_heads: Int?
      var layer_norm_eps: Float?
    }
    let file = "config.json"
    guard let contents: Contents = try contents(of: file) else { return }
    for (key, value, supported) in [
      ("model_type", contents.model_type, "bert"), ("hidden_act", contents.hidden_act, "gelu"),
      ("position_embedding_type", contents.position_embedding_type, "absolute"),
    ] {
      guard let value, value != supported else { continue }
      throw unsupported(file, "\(key) is \(value)", "\(supported) is supported")
    }
    headCount = contents.num_attention_heads
    layerNormEpsilon = contents.layer_norm_eps
  }

  /// Modules after the pooling would change the vectors.
  private func readModules() throws(ModelError) {
    struct Module: Decodable { var type: String }
    let file = "modules.json"
    guard let modules: [Module] = try contents(of: file) else { return }
    for module in modules {
      let name = module.type.split(separator: ".").last ?? ""
      guard ["Transformer", "Pooling", "Normalize"].contains(name) else {
        throw unsupported(
          file,
          "there is a module \(module.type)",
          "Transformer, Pooling and Normalize are run"
        )
      }
    }
  }

  private mutating func readPooling() throws(ModelError) {
    struct Contents: Decodable {
      var pooling_mode: String?
      var pooling_mode_cls_token: Bool?
      var pooling_mode_mean_tokens: Bool?
      var pooling_mode_mean_sqrt_len_tokens: Bool?
      var pooling_mode_max_tokens: Bool?
      var pooling_mode_weightedmean_tokens: Bool?
      var pooling_mode_lasttoken: Bool?
    }
    let file = "1_Pooling/config.json"
    guard let contents: Contents = try contents(of: file) else { return }
    let flags = [
      ("cls", contents.pooling_mode_cls_token), ("mean", contents.pooling_mode_mean_tokens),
      ("mean_sqrt_len_tokens", contents.pooling_mode_mean_sqrt_len_tokens),
      ("max", contents.pooling_mode_max_tokens), ("weightedmean", contents.pooling_mode_weightedmean_tokens),
      ("lasttoken", contents.pooling_mode_lasttoken),
    ]
    switch contents.pooling_mode.map({ [$0] }) ?? flags.filter({ $0.1 == true }).map(\.0) {
    case ["cls"]: pooling = .cls
    // A sum divided by the root of the length has the direction of the mean.
    case ["mean"], ["mean_sqrt_len_tokens"]: pooling = .mean
    case let modes:
      throw unsupported(
        file,
        "the pooling is \(modes.joined(separator: " and "))",
        "cls and mean are supported"
      )
    }
  }

  private mutating func readTokenizer() throws(ModelError) {
    struct Contents: Decodable {
      var tokenizer_class: String?
      var do_basic_tokenize: Bool?
      var do_lower_case: Bool?
      var strip_accents: Bool?
      var tokenize_chinese_chars: Bool?
    }
    let file = "tokenizer_config.json"
    guard let contents: Contents = try contents(of: file) else { return }
    if let type = contents.tokenizer_class, !type.hasPrefix("BertTokenizer") {
      throw unsupported(file, "tokenizer_class is \(type)", "BertTokenizer is supported")
    }
    guard contents.do_basic_tokenize != false else {
      throw unsupported(file, "do_basic_tokenize is false", "true is supported")
    }
    let isCased = contents.do_lower_case == false
    if let strips = contents.strip_accents, strips == isCased {
      throw unsupported(
        file,
        "strip_accents differs from do_lower_case",
        "only both or neither are supported"
      )
    }
    tokenizer = WordPieceTokenizer.Options(
      isCased: isCased,
      splitsIdeographs: contents.tokenize_chinese_chars ?? true
    )
  }

  private mutating func readLimits() throws(ModelError) {
    struct Contents: Decodable {
      var max_seq_length: Int?
      var do_lower_case: Bool?
    }
    let file = "sentence_bert_config.json"
    guard let contents: Contents = try contents(of: file) else { return }
    maxTokens = contents.max_seq_length
    guard contents.do_lower_case != true || tokenizer?.isCased != true else {
      throw unsupported(file, "do_lower_case is true with a cased tokenizer", "only a tokenizer lower-cases")
    }
  }

  // MARK: - JSON

  /// What a file holds; `nil` where there is none.
  private func contents<Value: Decodable>(of name: String) throws(ModelError) -> Value? {
    let file = path + "/" + name
    guard FileManager.default.fileExists(atPath: file) else { return nil }
    let mapped = try MappedFile(path: file)
    guard mapped.count <= Self.maximumByteCount else { throw invalid(name, "it has \(mapped.count) bytes") }
    // The bytes are copied within the call.
    let data = unsafe mapped.withUnsafeBytes { unsafe Data($0) }
    do {
      return try JSONDecoder().decode(Value.self, from: data)
    } catch {
      throw invalid(name, "it does not hold the JSON that is expected of it")
    }
  }

  private func invalid(_ file: String, _ reason: String) -> ModelError {
    ModelError(.invalidHeader, "\(path)/\(file): \(reason). Fetch the model again.")
  }

  private func unsupported(_ file: String, _ found: String, _ needed: String) -> ModelError {
    ModelError(.unsupported, "\(path)/\(file): \(found), but \(needed). Use another model.")
  }
}
