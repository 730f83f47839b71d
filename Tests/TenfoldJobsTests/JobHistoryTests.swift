// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldJobs
import Testing

@Suite("The history checker sees what it must see")
struct JobHistoryTests {
  private let id = RawJobID()

  private func snapshot(_ state: JobState, fence: Int64 = 1) -> JobSnapshot {
    JobSnapshot(id: id, name: "x", state: state, attempts: 1, crashCount: 0, fence: fence)
  }

  @Test("an ordinary life is fine")
  func ordinary() {
    let history = JobHistory()
    history.accepted(id)
    history.started(.init(id: id, fence: 1))
    history.started(.init(id: id, fence: 2))
    history.ended(.init(id: id, fence: 2), .done)
    #expect(history.judge([snapshot(.done, fence: 2)]) == [])
  }

  @Test(
    "a lost job, a second end, an old fence, a changed end and a broken limit are violations",
    arguments: 0..<7
  )
  func violations(kind: Int) {
    let history = JobHistory()
    history.accepted(id)
    history.started(.init(id: id, fence: 3))
    var dump = [snapshot(.done, fence: 3)]
    switch kind {
    case 0: dump = []
    case 1: history.started(.init(id: id, fence: 3))
    case 2:
      history.ended(.init(id: id, fence: 3), .done)
      history.ended(.init(id: id, fence: 3), .done)
    case 3: history.ended(.init(id: id, fence: 2), .done)
    case 4:
      history.ended(.init(id: id, fence: 3), .done)
      dump = [snapshot(.ready, fence: 3)]
    case 5:
      for _ in 0..<3 { history.started(.init(id: RawJobID(), fence: 1), key: "k", limit: 2) }
    default:
      history.ended(.init(id: id, fence: 3), .done)
      history.started(.init(id: id, fence: 4))
    }
    #expect(!history.judge(dump).isEmpty)
  }
}
