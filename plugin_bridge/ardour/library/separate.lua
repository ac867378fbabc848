-- "Separate selection": every selected region, or the range on every selected track, into stems.

local library = ...
local wire = assert (loadfile (library .. "wire.lua")) (library)
local sound = assert (loadfile (library .. "sound.lua")) (library)

for _, piece in ipairs (sound.pieces ()) do
	local files, start, exact = sound.files (piece)
	local name = piece.track:name ()
	local options = wire.json ({ track = name, position = piece.first })
	wire.request ("Separating " .. name, exact, "/bandmate/separate", "shhs",
		files, start, piece.last - piece.first, options)
end
