{
  "variables": {
    # node-gyp rebuild -- -Dvaina_sanitize=1: the monitor with ASan and UBSan, on glibc.
    "vaina_sanitize%": 0,
    "musl_specs%": "<!(test -x \"$(command -v musl-gcc)\" && sed -n 's/.*-specs \"\\(.*\\)\".*/\\1/p' \"$(command -v musl-gcc)\" || true)",
    "libseccomp%": "<!(a=$(${CC:-gcc} -print-file-name=libseccomp.a); test -e \"$a\" && echo \"$a\" || echo -lseccomp)",
    # Intel's ISA-L, if it is installed: see csrc/addon/gzip.cc.
    "isal%": "<!(pkg-config --exists libisal && echo 1 || echo 0)",
    "warnings": ["-Wall", "-Wextra", "-Werror"]
  },
  "targets": [
    {
      "target_name": "addon",
      "sources": ["<!@(find csrc/addon -name '*.cc' | sort)"],
      # As system headers, since they have warnings of their own.
      "cflags_cc": ["<@(warnings)", "-std=gnu++17", "-fvisibility=hidden", "-isystem", "<!(node -p \"require('path').dirname(require.resolve('nan/nan.h'))\")", "-Wno-cast-function-type"],
      "libraries": ["<(libseccomp)"],
      "ldflags": ["-Wl,--exclude-libs,ALL", "-Wl,-z,now", "-Wl,-z,relro"],
      "conditions": [
        ["isal==1", {
          "defines": ["VAINA_ISAL"],
          "cflags_cc": ["<!@(pkg-config --cflags libisal)"],
          "libraries": ["<!@(pkg-config --libs libisal)"]
        }]
      ]
    },
    {
      "target_name": "monitor",
      "type": "executable",
      "sources": ["<!@(find csrc/monitor csrc/plan csrc/sys csrc/store -name '*.cc' 2>/dev/null | sort)"],
      "defines": ["_GNU_SOURCE"],
      "cflags_cc!": ["-O3", "-std=gnu++20"],
      "cflags!": ["-O3", "-pthread", "-fno-omit-frame-pointer"],
      "cflags_cc": ["<@(warnings)", "-std=gnu++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"],
      "ldflags!": ["-rdynamic", "-pthread"],
      "conditions": [
        ["vaina_sanitize==1", {
          "defines": ["VAINA_SANITIZE"],
          "cflags_cc": ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"],
          "ldflags": ["-fsanitize=address,undefined"]
        }, {
          "cflags_cc": ["-Os", "-ffunction-sections", "-fdata-sections", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"],
          "ldflags": ["-static", "-s", "-Wl,--gc-sections", "-Wl,-z,relro", "-Wl,-z,noexecstack"],
          "conditions": [
            # musl starts in a third of the time and a tenth of the memory of static glibc; it has no kernel headers of its own.
            ["musl_specs!=''", {
              "cflags_cc": ["-specs=<(musl_specs)", "-idirafter", "/usr/include", "-idirafter", "/usr/include/<!(${CC:-gcc} -print-multiarch)"],
              "ldflags": ["-specs=<(musl_specs)", "-nodefaultlibs"],
              "libraries": ["-lc", "-lgcc"]
            }]
          ]
        }]
      ]
    }
  ]
}
