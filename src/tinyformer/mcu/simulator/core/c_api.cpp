// The C interface that Python loads by ctypes. Errors travel as text: no exception crosses this boundary.
#include <cstring>
#include <exception>
#include <string>

#include "machine.hpp"

using tinyformer::Machine;

namespace {

struct Handle {
    explicit Handle(const tinyformer::Settings& settings) : machine(settings) {}
    Machine machine;
    std::string report;
};

}  // namespace

extern "C" {

// Creates a simulator from "name value" lines; null and a message in `error` if that fails.
Handle* simulator_create(const char* settings, char* error, std::size_t error_bytes) {
    try {
        return new Handle(tinyformer::Settings(settings));
    } catch (const std::exception& exception) {
        std::strncpy(error, exception.what(), error_bytes - 1);
        return nullptr;
    }
}

void simulator_destroy(Handle* handle) { delete handle; }

// Returns 0 if the range lies outside the memories.
int simulator_load(Handle* handle, std::uint32_t address, const std::uint8_t* data, std::size_t size) {
    return handle->machine.load(address, data, size) ? 1 : 0;
}

void simulator_add_symbol(Handle* handle, std::uint32_t address, std::uint32_t size, const char* name, int is_layer) {
    handle->machine.add_symbol({address, size, name, is_layer != 0});
}

void simulator_watch_stack(Handle* handle, std::uint32_t low, std::uint32_t high) {
    handle->machine.watch_stack(low, high);
}

// `channel`: 0 standard input, 1 serial input, 2 text to stop at.
void simulator_set_text(Handle* handle, int channel, const char* data, std::size_t size) {
    auto& io = handle->machine.io();
    std::string& target = channel == 0 ? io.input : channel == 1 ? io.serial : io.stop_text;
    target.assign(data, size);
}

// Runs the program; returns 0 and a message in `error` for a failure of the simulator itself.
int simulator_run(Handle* handle, std::uint64_t instruction_limit, char* error, std::size_t error_bytes) {
    try {
        handle->machine.run(instruction_limit);
        handle->report = handle->machine.report();
        return 1;
    } catch (const std::exception& exception) {
        std::strncpy(error, exception.what(), error_bytes - 1);
        return 0;
    }
}

const char* simulator_report(Handle* handle) { return handle->report.c_str(); }

const char* simulator_output(Handle* handle, std::size_t* size) {
    *size = handle->machine.io().output.size();
    return handle->machine.io().output.data();
}

}  // extern "C"
