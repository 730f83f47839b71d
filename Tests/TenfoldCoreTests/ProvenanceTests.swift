// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import Testing

@Suite("Provenance")
struct ProvenanceTests {
  @Test("is decoded as it was encoded, and without the mark of a curtailed answer, which older records lack")
  func coding() throws {
    let record = Provenance(
      answeredBy: .model(id: "m", tier: .large),
      modelCalls: [ModelCall(model: "m", tier: .large, usage: TokenUsage(), cost: Money(dollars: 1))],
      documents: ["a"],
      stages: [StageRecord(stage: "inference", work: .seconds(1))],
      cost: Money(dollars: 1),
      isCurtailed: true
    )
    let data = try JSONEncoder().encode(record)
    let same = try JSONDecoder().decode(Provenance.self, from: data)
    #expect(same.answeredBy == record.answeredBy && same.documents == record.documents)
    #expect(same.modelCalls.map(\.model) == ["m"] && same.stages == record.stages)
    #expect(same.cost == record.cost && same.isCurtailed)
    var fields = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    fields["isCurtailed"] = nil
    let older = try JSONDecoder().decode(
      Provenance.self,
      from: try JSONSerialization.data(withJSONObject: fields)
    )
    #expect(older.cost == record.cost && !older.isCurtailed)
  }
}
