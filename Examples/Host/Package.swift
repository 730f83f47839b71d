// swift-tools-version: 6.3
// A host that takes two modules of Tenfold and nothing else. SPDX-License-Identifier: Apache-2.0

import PackageDescription

let package = Package(
  name: "host",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "tenfold", path: "../..")],
  targets: [
    .executableTarget(
      name: "Host",
      dependencies: [
        .product(name: "TenfoldRetrieval", package: "tenfold"),
        .product(name: "TenfoldJobs", package: "tenfold"),
      ]
    )
  ],
  swiftLanguageModes: [.v6]
)
