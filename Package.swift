// swift-tools-version: 6.3
// Tenfold: see README.md for the module map. SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// One list for every Swift target: Swift 6 mode plus the checks that keep unsafe code visible.
let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("InferIsolatedConformances"),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
]

let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")
let metricsTestKit: Target.Dependency = .product(name: "MetricsTestKit", package: "swift-metrics")
let tracing: Target.Dependency = .product(name: "Tracing", package: "swift-distributed-tracing")
let inMemoryTracing: Target.Dependency = .product(
  name: "InMemoryTracing",
  package: "swift-distributed-tracing"
)
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let heap: Target.Dependency = .product(name: "HeapModule", package: "swift-collections")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

/// A library target of one floor and the product that exposes it.
func module(
  _ name: String,
  _ dependencies: [Target.Dependency] = [],
  resources: [Resource]? = nil
) -> Target {
  .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

func tests(
  _ module: String,
  _ dependencies: [Target.Dependency] = [],
  resources: [Resource]? = nil
) -> Target {
  .testTarget(
    name: "\(module)Tests",
    dependencies: [
      .init(stringLiteral: module), "TenfoldTesting", "TenfoldTestSupport", "CTenfoldSanitizers",
    ]
      + dependencies,
    resources: resources,
    swiftSettings: settings
  )
}

/// A small program of `Examples/`; not a product, so hosts never build it.
func example(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(
    name: "Example\(name)",
    dependencies: dependencies,
    path: "Examples/\(name)",
    exclude: exampleExtras[name] ?? ["README.md"],
    swiftSettings: settings
  )
}

/// What lies beside an example's sources.
let exampleExtras = [
  "FolderSearch": ["README.md", "Sample"],
  "DurableBatch": ["README.md", "kill-and-resume"],
]

let libraries = [
  "TenfoldCore", "TenfoldKernels", "TenfoldStorage", "TenfoldVectors", "TenfoldInference", "TenfoldRetrieval",
  "TenfoldCache", "TenfoldRouting", "TenfoldJobs", "Tenfold", "TenfoldTesting",
]

/// The test targets to build, with spaces between them, where only some are wanted; `Scripts/sanitize` sets it.
let chosenTests = Context.environment["TENFOLD_TEST_TARGETS"]?.split(separator: " ").map(String.init)

let package = Package(
  name: "tenfold",
  platforms: [.macOS(.v15), .iOS(.v18), .tvOS(.v18), .watchOS(.v11), .visionOS(.v2)],
  products: libraries.map { .library(name: $0, targets: [$0]) } + [
    .executable(name: "tenfold", targets: ["TenfoldCommand"]),
    .executable(name: "tenfold-bench", targets: ["TenfoldBenchmarks"]),
  ],
  traits: [.default(enabledTraits: [])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.0"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
  ],
  targets: [
    // Floor 0: C, and the vocabulary.
    .target(name: "CTenfoldKernels"),
    .target(
      name: "CTenfoldBLAS",
      linkerSettings: [
        .linkedLibrary("blas", .when(platforms: [.linux])),
        .linkedLibrary("lapack", .when(platforms: [.linux])),
        .linkedFramework("Accelerate", .when(platforms: [.macOS, .iOS, .tvOS, .watchOS, .visionOS])),
      ]
    ),
    .systemLibrary(
      name: "CTenfoldSQLite",
      pkgConfig: "sqlite3",
      providers: [.apt(["libsqlite3-dev"]), .brew(["sqlite3"])]
    ),
    .systemLibrary(
      name: "CTenfoldZlib",
      pkgConfig: "zlib",
      providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]
    ),
    module("TenfoldCore"),

    // Floor 1.
    module("TenfoldKernels", ["CTenfoldKernels", "CTenfoldBLAS", "TenfoldCore", log]),
    module("TenfoldStorage", ["CTenfoldSQLite", "CTenfoldZlib", "TenfoldCore", log, metrics, deque]),

    // Floor 2.
    module("TenfoldVectors", ["TenfoldCore", "TenfoldKernels", "TenfoldStorage"]),
    module(
      "TenfoldInference",
      ["CTenfoldKernels", "TenfoldCore", "TenfoldKernels", "TenfoldStorage", log, metrics, heap]
    ),

    // Floor 3.
    module("TenfoldRetrieval", ["TenfoldCore", "TenfoldKernels", "TenfoldStorage", "TenfoldVectors", log]),
    module(
      "TenfoldCache",
      ["TenfoldCore", "TenfoldStorage", "TenfoldVectors", log, metrics, heap]
    ),
    module("TenfoldRouting", ["TenfoldCore", "TenfoldKernels", log, metrics]),
    module("TenfoldJobs", ["TenfoldCore", "TenfoldStorage", log, metrics, tracing, heap]),

    // Floor 5: the composition.
    module(
      "Tenfold",
      [
        "TenfoldCore", "TenfoldKernels", "TenfoldStorage", "TenfoldVectors", "TenfoldInference",
        "TenfoldRetrieval", "TenfoldCache", "TenfoldRouting", "TenfoldJobs", log, metrics, tracing,
      ]
    ),

    // Beside the floors: what tests and hosts use to judge an implementation.
    module(
      "TenfoldTesting",
      ["TenfoldCore", "TenfoldKernels", "TenfoldStorage", "TenfoldCache", "TenfoldJobs", "TenfoldVectors"]
    ),

    // Executables.
    .executableTarget(
      name: "TenfoldCommand",
      dependencies: [
        "Tenfold", "TenfoldCore", "TenfoldInference", "TenfoldJobs", "TenfoldRetrieval", "TenfoldStorage",
        argumentParser, log,
      ],
      resources: [.copy("Resources/scifact"), .copy("Resources/calibration.json")],
      swiftSettings: settings
    ),
    .executableTarget(
      name: "TenfoldBenchmarks",
      dependencies: [
        "Tenfold", "CTenfoldSQLite", "TenfoldCore", "TenfoldJobs", "TenfoldStorage", argumentParser,
      ],
      path: "Benchmarks/TenfoldBenchmarks",
      swiftSettings: settings
    ),

    // Examples.
    example("QuickStart", ["Tenfold"]),
    example("CustomMiddleware", ["Tenfold"]),
    example("FolderSearch", ["Tenfold"]),
    example("DurableBatch", ["TenfoldJobs", "TenfoldStorage"]),

    // Tests, and the processes that they kill.
    .executableTarget(
      name: "JobsCrashHelper",
      dependencies: ["TenfoldCore", "TenfoldJobs", "TenfoldStorage"],
      path: "Tests/Helpers/JobsCrashHelper",
      swiftSettings: settings
    ),
    .executableTarget(
      name: "BatchCrashHelper",
      dependencies: ["Tenfold", "TenfoldStorage", "TenfoldTesting"],
      path: "Tests/Helpers/BatchCrashHelper",
      swiftSettings: settings
    ),
    .target(
      name: "TenfoldTestSupport",
      dependencies: ["TenfoldStorage"],
      path: "Tests/Support",
      swiftSettings: settings
    ),
    .target(name: "CTenfoldSanitizers", path: "Tests/CTenfoldSanitizers"),
    .target(name: "CTenfoldFaultVFS", dependencies: ["CTenfoldSQLite"], path: "Tests/CTenfoldFaultVFS"),
    tests("TenfoldCore"),
    tests("TenfoldKernels", ["CTenfoldKernels"]),
    tests("TenfoldStorage"),
    tests("TenfoldVectors", ["TenfoldCore", "TenfoldKernels"]),
    tests(
      "TenfoldInference",
      ["CTenfoldKernels", "TenfoldCore", "TenfoldKernels", "TenfoldStorage", metricsTestKit],
      resources: [.copy("Resources")]
    ),
    tests(
      "TenfoldRetrieval",
      ["TenfoldCore", "TenfoldStorage", "TenfoldVectors"],
      resources: [.copy("Resources")]
    ),
    tests("TenfoldCache", ["TenfoldCore", "TenfoldStorage", "TenfoldVectors"]),
    tests("TenfoldRouting", ["TenfoldCore"]),
    tests(
      "TenfoldJobs",
      [
        "CTenfoldFaultVFS", "TenfoldCore", "TenfoldStorage", "JobsCrashHelper", tracing, inMemoryTracing,
        metricsTestKit,
      ]
    ),
    tests("Tenfold", ["BatchCrashHelper"]),
    tests("TenfoldCommand", ["Tenfold", log]),
  ].filter { $0.type != .test || chosenTests?.contains($0.name) ?? true },
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c11
)
