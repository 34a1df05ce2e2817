// One ExportView to and from its place in a message. Included by the .cpp files of this folder
// only.
#pragma once

#include "schemas/agreement.h"
#include "schemas/canonical.h"
#include "schemas/wire/agreement.capnp.h"

namespace entente {

void write_export(const ExportView& view, wire::ExportView::Builder out);
// Refuses (agreement_invalid) with the field that is wrong.
[[nodiscard]] Result<ExportView> read_export(wire::ExportView::Reader in);

void write_texts(const std::vector<std::string>& texts, capnp::List<capnp::Text>::Builder out);

}  // namespace entente
