// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import TenfoldStorage
import Testing

@Suite("A shard map spreads keys and moves few")
struct ShardMapTests {
  private let keys = (0..<20_000).map { "key-\($0)" }

  private func shares(_ map: ShardMap) -> [String: Int] {
    keys.reduce(into: [:]) { $0[map.owner(of: $1), default: 0] += 1 }
  }

  @Test("the last version has no next one")
  func lastVersion() throws {
    let map = try ShardMap(version: .max, shards: [.init("a")])
    #expect { _ = try map.changed(to: [.init("b")]) } throws: {
      ($0 as? StorageError)?.code == .invalidOption
    }
  }

  @Test("each shard gets its share", arguments: 1...8)
  func balance(count: Int) throws {
    let shards = (0..<count).map { ShardMap.Shard("shard-\($0)", weight: $0 + 1) }
    let map = try ShardMap(version: 1, shards: shards)
    let total = Double(count * (count + 1) / 2)
    let shares = shares(map)
    for shard in shards {
      let expected = Double(keys.count * shard.weight) / total
      // Four standard deviations of a fair draw, and a little.
      let tolerance = 4 * expected.squareRoot() + 10
      #expect(abs(Double(shares[shard.name] ?? 0) - expected) <= tolerance)
    }
  }

  @Test("a new shard takes keys from the others and moves none between them; a lost one gives only its own")
  func movement() throws {
    let old = try ShardMap(version: 1, shards: ["a", "b", "c", "d"].map { .init($0) })
    let new = try old.changed(to: ["a", "b", "c", "d", "e"].map { .init($0) })
    #expect(new.version == 2)
    var moved = 0
    for key in keys where old.owner(of: key) != new.owner(of: key) {
      moved += 1
      #expect(new.owner(of: key) == "e")
      #expect(new.owners(of: key, before: old) == ["e", old.owner(of: key)])
    }
    #expect((keys.count / 6...keys.count / 4).contains(moved))
    let smaller = try new.changed(to: ["a", "b", "c", "d"].map { .init($0) })
    #expect(keys.allSatisfy { smaller.owner(of: $0) == old.owner(of: $0) })
  }

  @Test("copies lie on different shards, and when the owner goes the next one has the key")
  func copies() throws {
    let map = try ShardMap(version: 1, shards: ["a", "b", "c", "d"].map { .init($0) })
    for key in keys.prefix(500) {
      let owners = map.owners(of: key, count: 3)
      #expect(Set(owners).count == 3 && owners[0] == map.owner(of: key))
      let rest = try map.changed(to: map.shards.filter { $0.name != owners[0] })
      #expect(rest.owner(of: key) == owners[1])
    }
    #expect(map.owners(of: "x", count: 9).count == 4 && map.owners(of: "x", count: 0).isEmpty)
  }

  @Test("the answers are the same for ever")
  func stable() throws {
    let map = try ShardMap(version: 1, shards: ["a", "b", "c"].map { .init($0) })
    let again = try ShardMap(version: 7, shards: ["c", "a", "b"].map { .init($0) })
    #expect(keys.allSatisfy { map.owner(of: $0) == again.owner(of: $0) })
  }

  @Test("a map is checked, also one that was read")
  func checking() throws {
    let bad: [[ShardMap.Shard]] = [
      [], [.init("a"), .init("a")], [.init("a", weight: 0)], [.init("a", weight: 101)],
    ]
    for shards in bad {
      #expect(throws: StorageError.self) { _ = try ShardMap(version: 1, shards: shards) }
    }
    #expect(throws: StorageError.self) { _ = try ShardMap(version: 0, shards: [.init("a")]) }
    let map = try ShardMap(version: 3, shards: [.init("a", weight: 2), .init("b")])
    let data = try JSONEncoder().encode(map)
    #expect(try JSONDecoder().decode(ShardMap.self, from: data) == map)
    let empty = Data(#"{"version":1,"shards":[]}"#.utf8)
    #expect(throws: StorageError.self) { _ = try JSONDecoder().decode(ShardMap.self, from: empty) }
  }
}
