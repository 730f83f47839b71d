// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold
import Testing

@testable import TenfoldCommand

@Suite("Workload")
struct WorkloadTests {
  private static let dataset = Result { try SciFactDataset() }

  private func workload(_ change: (inout Workload.Options) -> Void = { _ in }) throws -> Workload {
    var options = Workload.Options()
    change(&options)
    return Workload(options: options, dataset: try Self.dataset.get())
  }

  @Test("has as many repeats, paraphrases and easy requests as asked for", arguments: [1, 40, 240])
  func shares(count: Int) throws {
    let workload = try workload { $0.count = count }
    #expect(workload.requests.count == count)
    let wordings = Dictionary(grouping: workload.requests, by: \.wording).mapValues(\.count)
    if count > 1 {
      #expect(wordings[.repeated] == Int((Double(count) * 0.35).rounded()))
      #expect(wordings[.paraphrased] == Int((Double(count) * 0.20).rounded()))
    }
    let new = workload.requests.filter { $0.wording == .new }
    #expect(new.count { $0.kind == .lookup } == Int((Double(new.count) * 0.4).rounded()))
    #expect(workload.requests[0].wording == .new)
  }

  @Test("is the same for the same seed, and another for another")
  func seeded() throws {
    let first = try workload().requests.map(\.instruction)
    #expect(try workload().requests.map(\.instruction) == first)
    #expect(try workload { $0.seed = 8 }.requests.map(\.instruction) != first)
  }

  @Test("a repeat is word for word an earlier request, a paraphrase asks for the same in other words")
  func wordings() throws {
    var bases: [Int: WorkloadRequest] = [:]
    for request in try workload().requests {
      switch request.wording {
      case .new:
        #expect(bases.updateValue(request, forKey: request.base) == nil)
      case .repeated:
        let base = try #require(bases[request.base])
        #expect(request.instruction == base.instruction && request.choices == base.choices)
      case .paraphrased:
        let base = try #require(bases[request.base])
        #expect(request.question != base.question)
        #expect(request.instruction.contains(request.question))
        #expect(request.choices == base.choices && request.expected == base.expected)
      }
    }
  }

  @Test("the right answer of a lookup stands in its document after the opening, the other one does not")
  func lookups() throws {
    let dataset = try Self.dataset.get()
    let texts = Dictionary(uniqueKeysWithValues: dataset.documents.map { ($0.id, $0.text) })
    let workload = try workload { options in
      options.count = 300
      (options.repeatShare, options.paraphraseShare, options.easyShare) = (0, 0, 1)
    }
    #expect(workload.requests.count == 300)
    for request in workload.requests {
      let text = try #require(request.documentID.flatMap { texts[$0] })
        .split(whereSeparator: \.isWhitespace).joined(separator: " ")
      let expected = try #require(request.expected)
      let other = try #require(request.choices.first { $0 != expected })
      #expect(request.choices.count == 2)
      #expect(text.contains(expected.dropFirst(4)))
      #expect(text.contains(request.question))
      #expect(!text.contains(other.dropFirst(4)))
      // The other word is one of the document's too, so that knowing the document's words is not enough.
      #expect(text.contains(try #require(other.split(separator: " ").last)))
    }
    // Neither place is the right one by habit.
    let first = workload.requests.count { $0.expected == $0.choices[0] }
    #expect((100...200).contains(first))
  }

  @Test("claims carry the answer their labels say")
  func claims() throws {
    let workload = try workload { $0.easyShare = 0 }
    let labelled = workload.requests.filter { $0.expected != nil }
    #expect(!labelled.isEmpty)
    let verdicts = Dictionary(
      uniqueKeysWithValues: try Self.dataset.get().claims.map { ($0.id, $0.verdict) }
    )
    for request in labelled {
      let verdict = verdicts[try #require(request.claimID)]
      #expect(request.expected == (verdict == .support ? " supports" : " contradicts"))
    }
  }

  @Test("asking for more than the data set has gives what there is")
  func exhausted() throws {
    let workload = try workload { options in
      options.count = 3_000
      (options.repeatShare, options.paraphraseShare, options.easyShare) = (0, 0, 0)
    }
    #expect(!workload.requests.isEmpty && workload.requests.count <= 3_000)
    #expect(Set(workload.requests.map(\.instruction)).count >= 300)
  }
}
