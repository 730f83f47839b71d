// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Logging
import Testing

@testable import TenfoldCommand

@Suite("The command's log")
struct ConsoleLogTests {
  @Test(
    "holds warnings, and what the environment asks for",
    arguments: [(nil, .warning), ("info", .info), ("TRACE", .trace), ("", .warning), ("loud", .warning)]
      as [(String?, Logger.Level)]
  )
  func level(value: String?, level: Logger.Level) {
    let environment = value.map { [ConsoleLog.variable: $0] } ?? [:]
    #expect(ConsoleLog.level(environment) == level)
  }
}
