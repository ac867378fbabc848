ardour {
	["type"]    = "EditorAction",
	name        = "bandmate: Fill selection",
	license     = "MIT",
	author      = "bandmate",
	description = [[Make the selected range of one track again, fitting what is around it and the other selected tracks.]]
}

-- Ardour keeps only what is inside factory (), and drops an action after one uncaught error.
function factory () return function ()
	local library = ARDOUR.user_config_directory (-1) .. "/bandmate/"
	local ok, problem = pcall (function ()
		local wire = assert (loadfile (library .. "wire.lua")) (library)
		wire.guarded (assert (loadfile (library .. "fill.lua")), library)
	end)
	if not ok then
		LuaDialog.Message ("bandmate", tostring (problem), LuaDialog.MessageType.Error, LuaDialog.ButtonType.OK):run ()
	end
end end
