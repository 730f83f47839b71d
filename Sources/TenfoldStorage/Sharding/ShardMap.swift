// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Which shard holds a key, by rendezvous hashing: a shard that comes or goes moves only its own share of the keys.
///
/// The same map gives the same answer on every machine and in every version of this library. A change makes a map with
/// the next ``version``; while keys are moved, readers ask ``owners(of:before:)``.
///
/// ```swift
/// let map = try ShardMap(version: 1, shards: [.init("a"), .init("b"), .init("c", weight: 2)])
/// let shard = map.owner(of: "chat-7")
/// let next = try map.changed(to: [.init("a"), .init("b"), .init("c", weight: 2), .init("d")])
/// ```
public struct ShardMap: Hashable, Sendable, Codable {
  /// A shard and its share.
  public struct Shard: Hashable, Sendable, Codable {
    /// The name: it decides which keys the shard gets, so it stays when a shard moves to another machine.
    public var name: String
    /// The share compared with the others', 1…100.
    public var weight: Int

    /// Creates a shard.
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - weight: The share compared with the others', 1…100.
    public init(_ name: String, weight: Int = 1) {
      self.name = name
      self.weight = weight
    }
  }

  /// Rises with each change.
  public let version: Int
  /// The shards, in the order of their names.
  public let shards: [Shard]

  /// Creates a map.
  ///
  /// - Parameters:
  ///   - version: Rises with each change, from 1.
  ///   - shards: 1…1024 shards of different names.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/invalidOption``.
  public init(version: Int, shards: [Shard]) throws(StorageError) {
    func require(_ holds: Bool, _ what: String) throws(StorageError) {
      if !holds { throw StorageError(.invalidOption, "a shard map needs \(what)") }
    }
    try require(version >= 1, "a version of at least 1")
    try require((1...1024).contains(shards.count), "1…1,024 shards")
    try require(Set(shards.map(\.name)).count == shards.count, "shards of different names")
    try require(shards.allSatisfy { (1...100).contains($0.weight) }, "weights of 1…100")
    self.version = version
    self.shards = shards.sorted { $0.name < $1.name }
  }

  /// Reads a map and checks it.
  ///
  /// - Throws: ``StorageError`` with code ``StorageError/Code/invalidOption``, or a `DecodingError`.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      version: try container.decode(Int.self, forKey: .version),
      shards: try container.decode([Shard].self, forKey: .shards)
    )
  }

  /// The map after a change.
  ///
  /// - Parameter shards: The shards from now on.
  /// - Returns: A map of the next version.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/invalidOption``.
  public func changed(to shards: [Shard]) throws(StorageError) -> ShardMap {
    guard version < .max else {
      throw StorageError(
        .invalidOption,
        "a shard map of version \(version) has no next one; begin anew from 1"
      )
    }
    return try ShardMap(version: version + 1, shards: shards)
  }

  /// The shard of a key.
  ///
  /// - Parameter key: The key.
  /// - Returns: The shard's name.
  /// - Complexity: O(sum of the weights).
  public func owner(of key: String) -> String { owners(of: key, count: 1).first ?? "" }

  /// The shards that hold copies of a key, the owner first.
  ///
  /// - Parameters:
  ///   - key: The key.
  ///   - count: How many; at most all shards are given.
  /// - Returns: The shards' names.
  /// - Complexity: O(sum of the weights + *n* log *n*).
  public func owners(of key: String, count: Int) -> [String] {
    let hash = StableHash.of(key)
    let scored = shards.map { shard -> (score: UInt64, name: String) in
      let name = StableHash.of(shard.name)
      // A shard of weight 3 draws three times and keeps its best.
      let score = (0..<shard.weight).reduce(UInt64(0)) { best, draw in
        max(best, StableHash.mix(hash ^ StableHash.mix(name &+ UInt64(draw))))
      }
      return (score, shard.name)
    }
    if count == 1 { return scored.max { ($0.score, $1.name) < ($1.score, $0.name) }.map { [$0.name] } ?? [] }
    return scored.sorted { ($0.score, $1.name) > ($1.score, $0.name) }.prefix(max(0, count)).map(\.name)
  }

  /// The shards to ask for a key while a change is under way: the new owner, then the old one if it is another.
  ///
  /// - Parameters:
  ///   - key: The key.
  ///   - previous: The map before the change.
  /// - Returns: One or two names.
  public func owners(of key: String, before previous: ShardMap) -> [String] {
    let (new, old) = (owner(of: key), previous.owner(of: key))
    return new == old ? [new] : [new, old]
  }
}

/// A hash that never changes: unlike Swift's own, which differs in each process.
enum StableHash {
  /// FNV-1a of the text's UTF-8, then mixed, as FNV alone leaves its high bits poor.
  static func of(_ text: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return mix(hash)
  }

  /// The finaliser of SplitMix64: each bit of the input moves about half of the output's.
  static func mix(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
